import CoreGraphics
import ExecuTorch

/// Runs the file at `path`, such as that of the app's bundle.
final class Upscaler {
    private let module: Module

    init(path: String) {
        module = Module(filePath: path)
    }

    func upscale(_ low: CGImage) throws -> CGImage {
        precondition(min(low.width, low.height) >= Network.smallest)
        precondition(max(low.width, low.height) <= Network.largest, "upscale a larger image in tiles")
        let input = Tensor<Float>(planes(low), shape: [1, 3, low.height, low.width])
        let output = try Tensor<Float>(module.forward(input))
        return image(output.scalars(), width: Network.scale * low.width, height: Network.scale * low.height)
    }
}
