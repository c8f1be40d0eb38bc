import android.content.Context
import android.graphics.Bitmap
import com.taobao.android.mnn.MNNNetInstance
import kotlin.math.roundToInt

/** Runs the file at `path`, which cannot be an asset: copy the file from the assets to `context.filesDir` first. */
class Upscaler(context: Context, path: String) {
    private val network = checkNotNull(MNNNetInstance.createFromFile(context, path))
    private val session = checkNotNull(network.createSession(MNNNetInstance.Config()))

    fun upscale(image: Bitmap): Bitmap {
        require(minOf(image.width, image.height) >= Network.SMALLEST)
        val input = session.getInput(Network.INPUT)
        input.reshape(intArrayOf(1, 3, image.height, image.width))
        session.reshape()
        input.setInputFloatData(planes(image))
        session.run()
        val output = session.getOutput(Network.OUTPUT)
        return bitmap(output.floatData, Network.SCALE * image.width, Network.SCALE * image.height)
    }
}
