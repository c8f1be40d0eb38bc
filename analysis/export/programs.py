"""Traces networks for runtimes on phones, with operators that these runtimes execute."""

import copy
from dataclasses import replace

import torch
from torch import nn
from torch._dynamo.exc import UserError
from torch.fx import GraphModule

from analysis.export.rewrites import ATEN, Editor, rewritten
from analysis.export.target import EXAMPLE_SIZE, Job, traced
from searchspace.bicubic import by_convolution

LEAST = (1, 8, 16)
"""Candidates for the smallest height and width of the image in a program without a fixed size. They are tried in order
until torch can trace the program.
"""


def plain_program(job: Job, *, fixed: bool) -> torch.export.ExportedProgram:
    """Returns the traced and rewritten network of `job`.

    If `fixed`, the program accepts images of `job.size` only. Otherwise it accepts any height and width up to
    `job.largest`.
    """
    size = job.size if fixed else EXAMPLE_SIZE
    job = replace(job, network=in_order(job.network))
    with by_convolution():
        program = traced(job.network, size) if fixed else job.program()
    return _traced(rewritten(program), job, size, fixed)


def in_order(network: nn.Module) -> nn.Module:
    """Returns a copy of `network` whose tensors lie in memory in the order of their dimensions.

    Folded weights may lie in another order. LiteRT's converter then writes the wrong numbers without an error.
    """
    copied = copy.deepcopy(network)
    for tensor in (*copied.parameters(), *copied.buffers()):
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    return copied


def retraced(module: nn.Module, job: Job, *, fixed: bool) -> torch.export.ExportedProgram:
    """Traces `module` again. A quantiser made it from a `plain_program`, and the sizes stay the same.

    Returns the new program.
    """
    return _traced(module, job, job.size if fixed else EXAMPLE_SIZE, fixed)


def _traced(
    module: nn.Module, job: Job, size: tuple[int, int], fixed: bool
) -> torch.export.ExportedProgram:
    if fixed:
        return traced(module, size)
    for least in LEAST:
        free = [torch.export.Dim(n, min=least, max=job.largest) for n in ("height", "width")]
        try:
            return traced(module, size, (free[0], free[1]))
        except UserError:  # torch's: a guard excludes small images
            if least == LEAST[-1]:
                raise
    raise AssertionError


def without_aliases(module: GraphModule) -> GraphModule:
    """Removes operators that only return their argument from `module`, and returns `module`.

    Core ML lacks these operators.
    """
    for node in list(module.graph.nodes):
        if node.target is ATEN.alias.default:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()
    return module


def unshared(module: GraphModule) -> GraphModule:
    """Gives each use of a parameter its own copy, and returns `module`.

    Without the copies, the quantiser of XNNPACK quantises only the first use, and ExecuTorch cannot load the file. The
    copies are parameters, too: torchao writes a convolution that it has merged with a norm back under the same name, as a
    parameter.
    """
    editor = Editor(module)
    for node in [node for node in module.graph.nodes if node.op == "get_attr"]:
        value = editor.value(node)
        assert value is not None
        for user in list(node.users)[1:]:
            with module.graph.inserting_before(user):
                copied = editor.constant(node, nn.Parameter(value.clone(), requires_grad=False))
            copied.node.meta = dict(node.meta)
            user.replace_input_with(node, copied.node)
    module.recompile()
    return module
