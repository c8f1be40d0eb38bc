import CoreGraphics
import Foundation
import OnnxRuntimeBindings

/// Runs the file at `path`, such as that of the app's bundle.
final class Upscaler {
    private let environment: ORTEnv
    private let session: ORTSession

    init(path: String) throws {
        environment = try ORTEnv(loggingLevel: .warning)
        session = try ORTSession(env: environment, modelPath: path, sessionOptions: nil)
    }

    func upscale(_ low: CGImage) throws -> CGImage {
        precondition(min(low.width, low.height) >= Network.smallest)
        let bytes = planes(low).withUnsafeBytes { Data($0) }
        let shape = [1, 3, low.height, low.width].map { NSNumber(value: $0) }
        let input = try ORTValue(tensorData: NSMutableData(data: bytes), elementType: .float, shape: shape)
        let outputs = try session.run(
            withInputs: [Network.input: input], outputNames: [Network.output], runOptions: nil)
        let data = try outputs[Network.output]!.tensorData() as Data
        let colours = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return image(colours, width: Network.scale * low.width, height: Network.scale * low.height)
    }
}
