private func context(width: Int, height: Int) -> CGContext {
    CGContext(
        data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
        space: CGColorSpace(name: CGColorSpace.sRGB)!, bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)!
}

/// Colours from 0 to 1: red of all pixels row by row, then green, then blue.
func planes(_ image: CGImage) -> [Float] {
    let drawn = context(width: image.width, height: image.height)
    drawn.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
    let bytes = drawn.data!.assumingMemoryBound(to: UInt8.self)
    return (0..<3).flatMap { channel in
        (0..<image.width * image.height).map { Float(bytes[4 * $0 + channel]) / 255 }
    }
}

func image(_ planes: [Float], width: Int, height: Int) -> CGImage {
    let size = width * height
    let made = context(width: width, height: height)
    let bytes = made.data!.assumingMemoryBound(to: UInt8.self)
    for channel in 0..<3 {
        for i in 0..<size {
            let colour = min(max(planes[channel * size + i], 0), 1)
            bytes[4 * i + channel] = UInt8((255 * colour).rounded())
        }
    }
    return made.makeImage()!
}
