import android.graphics.Bitmap
import kotlin.math.roundToInt
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor

/** Runs the file at `path`, which cannot be an asset: copy the file from the assets to `context.filesDir` first. */
class Upscaler(path: String) {
    private val module = Module.load(path)

    fun upscale(image: Bitmap): Bitmap {
        require(minOf(image.width, image.height) >= Network.SMALLEST)
        require(maxOf(image.width, image.height) <= Network.LARGEST) { "upscale a larger image in tiles" }
        val shape = longArrayOf(1, 3, image.height.toLong(), image.width.toLong())
        val output = module.forward(EValue.from(Tensor.fromBlob(planes(image), shape)))[0].toTensor()
        return bitmap(output.dataAsFloatArray, Network.SCALE * image.width, Network.SCALE * image.height)
    }
}
