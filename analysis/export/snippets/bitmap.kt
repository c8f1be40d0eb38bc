/** Colours from 0 to 1: red of all pixels row by row, then green, then blue. A hardware bitmap must be copied first. */
fun planes(image: Bitmap): FloatArray {
    val pixels = IntArray(image.width * image.height)
    image.getPixels(pixels, 0, image.width, 0, 0, image.width, image.height)
    return FloatArray(3 * pixels.size) { i ->
        val shift = 16 - 8 * (i / pixels.size)
        ((pixels[i % pixels.size] shr shift) and 255) / 255f
    }
}

fun bitmap(planes: FloatArray, width: Int, height: Int): Bitmap {
    val size = width * height
    val pixels = IntArray(size) { i ->
        (0..2).fold(255) { argb, channel ->
            val colour = planes[channel * size + i].coerceIn(0f, 1f)
            (argb shl 8) or (255 * colour).roundToInt()
        }
    }
    return Bitmap.createBitmap(pixels, width, height, Bitmap.Config.ARGB_8888)
}
