"""The dashboard as a place to decide, in a real browser: what is selected, found and compared. One page for all tests."""

from collections.abc import Iterator

import pytest

from analysis.read.notes import load_notes
from searchspace.architecture import architecture
from srsweep.noting import saver
from sweeps.store.notes import save_note
from tests.browser.chromium import Browser, Chromium
from tests.browser.serving import dashboard_of
from tests.browser.test_pages import choose, hover, no_overflow, quiet
from tests.stored import Database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
pytest.importorskip("dash_ag_grid", reason="needs dash-ag-grid: pip install srsweep[dashboard]")

RINGS = """(() => {
  const plot = document.querySelector('#pareto .js-plotly-plot');
  if (!plot?.data) return null;
  return plot.data.filter((t) => t.name === 'selected').flatMap((t) => t.text).sort().join(' ');
})()"""
ROWS = "[...document.querySelectorAll('.ag-center-cols-container .ag-row')]"
NUMBERS = (
    ROWS + ".sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))"
    ".map((r) => r.querySelector('[col-id=c0]')?.innerText).join(' ')"
)
MARKED = "[...document.querySelectorAll('.ag-center-cols-container .ag-row.picked')].map((r) => r.getAttribute('row-id')).sort().join(' ')"
COMPARED = (
    "[...document.querySelectorAll('.compare thead th span')].map((e) => e.textContent).join(' ')"
)
MIDDLE = (
    "(e => {const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("deciding") / "results.db")
    first = database.sweep("first")
    for number in range(6):
        database.trial(first, number, 26 + 0.3 * number, 2e4 * (number + 1), 1e9 * (number + 1))
    database.trial(first, 6, 25.0, 9e4, 1e9, state="running")
    database.trial(first, 7, None, 9e4, 1e9, state="failed", error="ValueError: no")
    seeds = database.sweep("seeds")
    network = architecture("slwsr", {"n_feats": 9})
    for number in range(2):
        database.trial(seeds, number, 26.0 + number, 2e4, 1e9, network=network, seed=number)
    elsewhere = database.sweep("elsewhere", validation_bicubic_psnr_y="24.0")
    database.trial(elsewhere, 0, 25.0, 3e4, 1e9)
    database.sweep("double", scale=2)
    yield database
    database.store.close()


@pytest.fixture(scope="module")
def shown(running: Browser, filled: Database) -> Iterator[tuple[Chromium, str]]:
    with dashboard_of(filled.url, save=saver(filled.url)) as address:
        page = Chromium(running)
        yield page, address
        quiet(page)
        page.close()


def opened(shown: tuple[Chromium, str], link: str = "") -> Chromium:
    page, address = shown
    page.open(address + link)
    page.wait_for("document.querySelectorAll('#pareto .main-svg').length")
    return page


def see(page: Chromium, view: str) -> None:
    label = f"[...document.querySelectorAll('#view label')].find((e) => e.textContent === '{view}')"
    page.wait_for(f"!!{label}")
    page.evaluate(f"{label}.click()")


def type_into(page: Chromium, field: str, text: str) -> None:
    page.wait_for(f"!!document.querySelector('{field}')")
    page.evaluate(f"document.querySelector('{field}').focus()")
    page.call("Input.insertText", text=text)


def drag(page: Chromium, start: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = "Input.dispatchMouseEvent"
    page.move_mouse(*start)
    page.call(mouse, type="mousePressed", x=start[0], y=start[1], button="left", clickCount=1)
    for share in (0.3, 0.7, 1.0):
        at = [a + share * (b - a) for a, b in zip(start, end, strict=True)]
        page.call(mouse, type="mouseMoved", x=at[0], y=at[1], button="left", buttons=1)
    page.call(mouse, type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)


def test_a_link_selects_its_trials_and_compares_them(shown: tuple[Chromium, str]) -> None:
    page = opened(shown, "?sweep=first&trial=1,4&trial=99&trial=x")
    assert page.wait_for(COMPARED) == "first#1 first#4"
    assert page.wait_for(RINGS) == "#1 #4"
    text = page.evaluate("document.querySelector('#panel').innerText")
    assert "The database has no trial first#99." in text
    assert "srsweep train 'first#1' -o first-1 --db" in text
    assert "srsweep select first --max params=40000 --max multadds=2000000000" in text
    assert "n_feats\t2\t5" in text  # a knob that differs
    page.wait_for("document.querySelectorAll('#panel .figure .scatterlayer .trace').length === 2")
    page.evaluate("document.querySelector('.copy').click()")
    page.wait_for("document.querySelector('.copy').textContent === 'Copied'")
    page.evaluate("document.querySelector('.drop').click()")
    page.wait_for(RINGS, lambda text: text == "#4")
    assert "trial=4" in page.evaluate("location.search")
    assert "trial=1" not in page.evaluate("location.search")


def test_a_trial_of_another_seed_is_marked_at_the_point_of_its_architecture(
    shown: tuple[Chromium, str],
) -> None:
    page = opened(shown, "?sweep=seeds&trial=0")
    assert page.wait_for(RINGS) == "#0"
    point = "document.querySelector('#pareto .js-plotly-plot').data.find((t) => t.name === 'slwsr')"
    assert page.evaluate(f"{point}.customdata.join()") == "seeds#1"  # the better one of two


def test_a_link_draws_several_sweeps_and_a_further_one_is_chosen(
    shown: tuple[Chromium, str],
) -> None:
    page = opened(shown, "?sweep=first&over=seeds,double&trial=seeds%230")
    legend = "[...document.querySelectorAll('#pareto .legendtext')].map((e) => e.textContent)"
    names = legend + ".filter((text) => text !== 'published' && text !== 'chosen').join()"
    page.wait_for(names, lambda text: text == "first,seeds")
    assert page.wait_for(RINGS) == "seeds#0"
    told = "document.querySelector('#over-notes').textContent"
    assert page.evaluate(told) == "double is not drawn: x2, not x4."
    page.wait_for("location.search", lambda text: text.startswith("?sweep=first&over=seeds&trial"))
    assert "seeds, trial 1" in hover(page, "#pareto", 6)  # after the six of the first sweep
    choose(page, "elsewhere", "#over")
    page.wait_for(names, lambda text: text == "first,seeds,elsewhere")
    page.wait_for(told, lambda text: "first and elsewhere were validated on different" in text)
    page.wait_for("location.search", lambda text: "over=seeds&over=elsewhere" in text)
    refused = "[...document.querySelectorAll('.dash-dropdown-option, label')].map((e) => e.textContent).join('|')"
    assert "double (x2, not x4)" in page.evaluate(refused)
    page.resize(400)
    no_overflow(page)


def test_a_link_to_no_sweep_of_this_database_is_said_to_be_one(
    shown: tuple[Chromium, str],
) -> None:
    page = opened(shown, "?sweep=%3Cimg%20src%3Dx%20onerror%3D%22window.bad%3D1%22%3E&trial=1")
    told = page.wait_for("document.querySelector('#notice').textContent")
    assert "“<img src=x" in told
    assert page.evaluate("window.bad ?? 0") == 0
    assert page.evaluate("document.querySelector('#selection').hidden")


def test_a_click_on_a_point_marks_it_in_the_table_and_a_click_on_a_row_in_the_figure(
    shown: tuple[Chromium, str],
) -> None:
    page = opened(shown, "?sweep=first")
    see(page, "Trials")
    page.wait_for(NUMBERS, lambda text: text == "0 1 2 3 4 5 6 7")
    page.wait_for("document.querySelector('#limits [role=slider]')?.getBoundingClientRect().width")
    page.evaluate("document.querySelector('#pareto').scrollIntoView()")
    at = page.evaluate(
        MIDDLE + "(document.querySelectorAll('#pareto .trace.scatter .points path')[0])"
    )
    page.move_mouse(at[0] + 1, at[1])
    page.move_mouse(*at)
    page.click(*at)
    (ring,) = page.wait_for(RINGS).split()
    page.wait_for(MARKED, lambda text: text == f"first{ring}")
    page.evaluate(
        ROWS + ".find((r) => r.getAttribute('row-id') === 'first#3')"
        ".querySelector('[col-id=c2]').click()"
    )
    page.wait_for(RINGS, lambda text: text == f"{ring} #3")
    page.wait_for("location.search", lambda text: text == f"?sweep=first&trial={ring[1:]}&trial=3")
    page.evaluate("document.querySelector('#clear').click()")
    page.wait_for(MARKED, lambda text: text == "")
    assert page.wait_for("location.search", lambda text: "trial" not in text) == "?sweep=first"


def test_a_box_selects_every_point_inside(shown: tuple[Chromium, str]) -> None:
    page = opened(shown, "?sweep=first")
    page.wait_for("document.querySelectorAll('#pareto .points path').length > 5")
    page.wait_for("document.querySelector('#limits [role=slider]')?.getBoundingClientRect().width")
    page.evaluate("document.querySelector('#pareto').scrollIntoView()")
    box = page.evaluate(
        "(e => {const b = e.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom]})"
        "(document.querySelector('#pareto .nsewdrag'))"
    )
    drag(page, (box[0] + 3, box[1] + 3), (box[2] - 3, box[3] - 3))
    page.wait_for(RINGS, lambda text: text == "#0 #1 #2 #3 #4 #5")
    page.wait_for("document.querySelectorAll('#pareto .selectionlayer path').length === 0")
    see(page, "Compare")
    page.wait_for(COMPARED, lambda text: len(text.split()) == 6)


def test_the_table_is_sorted_filtered_and_searched(shown: tuple[Chromium, str]) -> None:
    page = opened(shown, "?sweep=first")
    see(page, "Trials")
    page.wait_for(NUMBERS, lambda text: text == "0 1 2 3 4 5 6 7")
    head = "document.querySelector('.ag-header-cell[col-id=c2] .ag-header-cell-label')"
    page.evaluate(f"{head}.click()")
    page.wait_for(NUMBERS, lambda text: text.startswith("6 0 1 2"))
    page.evaluate(f"{head}.click()")
    page.wait_for(NUMBERS, lambda text: text == "5 4 3 2 1 0 6 7")
    field = ".ag-floating-filter input[aria-label^=parameters]"
    type_into(page, field, "<=60K")
    page.wait_for(NUMBERS, lambda text: text == "2 1 0")
    type_into(page, "#search", "#1")
    page.wait_for(NUMBERS, lambda text: text == "1")


def test_a_limit_shades_the_figure_and_names_the_best_network_inside(
    shown: tuple[Chromium, str],
) -> None:
    page = opened(shown, "?sweep=first")
    best = "document.querySelector('#best').textContent"
    page.wait_for(best, lambda text: text.startswith("Best without limits: first#5 · 27.50 dB"))
    thumb = "document.querySelector('#limits .limit [role=slider]')"
    page.wait_for(f"!!{thumb}")
    page.evaluate(f"{thumb}.focus()")
    for _ in range(3):
        page.call(
            "Input.dispatchKeyEvent", type="rawKeyDown", key="ArrowLeft", windowsVirtualKeyCode=37
        )
    page.wait_for(best, lambda text: text.startswith("Best within the limits: first#2"))
    assert page.evaluate("document.querySelector('#limits b').textContent") == "at most 60K"
    shapes = "document.querySelector('#pareto .js-plotly-plot').layout.shapes.filter((s) => s.name === 'limit')"
    page.wait_for(f"{shapes}.map((s) => s.x0).join()", lambda text: text == "60000")
    page.evaluate("document.querySelector('#select-best').click()")
    page.wait_for(RINGS, lambda text: text == "#2")
    see(page, "Selected")
    page.wait_for(
        "document.querySelector('#panel .commands')?.innerText ?? ''",
        lambda text: "select first --max params=60000 --db" in text,
    )


def test_a_note_and_a_star_are_stored_and_found(
    shown: tuple[Chromium, str], filled: Database
) -> None:
    page = opened(shown, "?sweep=first&trial=3")
    type_into(page, "td.note textarea", "sharp <b>edges</b>")
    page.evaluate("document.querySelectorAll('td.note button')[0].click()")
    told = "document.querySelector('td.note .quiet').textContent"
    page.wait_for(told, lambda text: text == "Saved.")
    page.evaluate("document.querySelector('td.note .star').click()")
    page.wait_for("document.querySelector('td.note .star').textContent", lambda text: text == "★")
    (row,) = load_notes(filled.url, "first").to_dict("records")
    assert (row["number"], row["is_starred"], row["note"]) == (3, True, "sharp <b>edges</b>")
    save_note(filled.store, "first", 3, is_starred=True, text="dull", seen="sharp <b>edges</b>")
    page.evaluate("document.querySelectorAll('td.note button')[0].click()")
    page.wait_for(told, lambda text: "somebody has changed the note of first#3" in text)
    see(page, "Trials")
    type_into(page, "#search", "dull")
    page.wait_for(NUMBERS, lambda text: text == "3")


def test_a_dashboard_that_only_reads_has_no_way_to_write(filled: Database) -> None:
    from analysis.pages.dashboard import make_app
    from analysis.pages.dashboard_compare import compare_panel
    from analysis.pages.side_by_side import compared

    writing, reading = (make_app(filled.url, save=save) for save in (saver(filled.url), None))
    assert any("told" in name for name in writing.callback_map)
    assert not any("told" in name for name in reading.callback_map)
    shown = str(compare_panel(compared(filled.url, ["first#3"]), read_only=True))
    assert "Textarea" not in shown
    assert "Button('☆'" not in shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_either_colour(shown: tuple[Chromium, str], scheme: str) -> None:
    page, _ = shown
    page.call(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    opened(shown, "?sweep=first&trial=1&trial=2&trial=4")
    page.wait_for(COMPARED)
    for view, drawn in (("Compare", "'.compare td'"), ("Trials", "'.ag-row'")):
        see(page, view)
        page.wait_for(f"document.querySelectorAll({drawn}).length > 5")
        for width in (1280, 400):
            page.resize(width)
            no_overflow(page)
    wanted = "rgb(22, 27, 33)" if scheme == "dark" else "rgb(255, 255, 255)"
    colour = "getComputedStyle(document.querySelector('#pareto .bg')).fill"
    page.wait_for(colour, lambda now: now == wanted)
    palest = "Math.min(...document.querySelector('#pareto .js-plotly-plot').data.flatMap((t) => t.marker?.opacity ?? []))"
    # What stands out from white would disappear on black.
    assert page.evaluate(palest) >= (0.6 if scheme == "dark" else 0.4)
    page.call("Emulation.setEmulatedMedia", features=[])
