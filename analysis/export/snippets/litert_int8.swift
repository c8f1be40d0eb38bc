import CoreGraphics
import LiteRT

/// Runs the file at `path`, such as that of the app's bundle.
final class Upscaler {
    private let environment: Environment
    private let model: CompiledModel
    private let inputs: [TensorBuffer]
    private let outputs: [TensorBuffer]

    init(path: String) throws {
        environment = try Environment()
        let options = try Options()
        try options.setHardwareAccelerators([.cpu])
        model = try CompiledModel(filePath: path, environment: environment, options: options)
        inputs = try model.createInputBuffers()
        outputs = try model.createOutputBuffers()
    }

    func upscale(_ low: CGImage) throws -> CGImage {
        precondition(low.width == Network.width && low.height == Network.height)
        try inputs[0].write(planes(low).map(quantised))
        try model.run(inputs: inputs, outputs: outputs)
        let values: [Int8] = try outputs[0].read()
        let colours = values.map { Float(Int($0) - Network.outputZero) * Network.outputStep }
        return image(colours, width: Network.scale * low.width, height: Network.scale * low.height)
    }

    private func quantised(_ colour: Float) -> Int8 {
        let value = Int((colour / Network.inputStep).rounded()) + Network.inputZero
        return Int8(min(max(value, -128), 127))
    }
}
