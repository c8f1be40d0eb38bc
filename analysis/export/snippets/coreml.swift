import CoreGraphics
import CoreML

/// Runs `network.mlpackage`, the folder in the unzipped file.
final class Upscaler {
    private let model: MLModel

    init(package: URL) async throws {
        model = try MLModel(contentsOf: await MLModel.compileModel(at: package))
    }

    func upscale(_ low: CGImage) throws -> CGImage {
        precondition(low.width == Network.width && low.height == Network.height)
        let input = MLShapedArray<Float>(scalars: planes(low), shape: [1, 3, low.height, low.width])
        let given = [Network.input: MLFeatureValue(shapedArray: input)]
        let output = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: given))
        let colours = output.featureValue(for: Network.output)!.shapedArrayValue(of: Float.self)!
        return image(colours.scalars, width: Network.scale * low.width, height: Network.scale * low.height)
    }
}
