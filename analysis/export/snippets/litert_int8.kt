import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.roundToInt

/** Runs the file, which lies in the folder `assets` of the app. */
class Upscaler(assets: AssetManager) {
    private val model = CompiledModel.create(assets, Network.FILE, CompiledModel.Options(Accelerator.CPU))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    fun upscale(image: Bitmap): Bitmap {
        require(image.width == Network.WIDTH && image.height == Network.HEIGHT)
        val colours = planes(image)
        inputs[0].writeInt8(ByteArray(colours.size) { i -> quantised(colours[i]) })
        model.run(inputs, outputs)
        val values = outputs[0].readInt8()
        val result = FloatArray(values.size) { i -> (values[i] - Network.OUTPUT_ZERO) * Network.OUTPUT_STEP }
        return bitmap(result, Network.SCALE * image.width, Network.SCALE * image.height)
    }

    private fun quantised(colour: Float): Byte =
        ((colour / Network.INPUT_STEP).roundToInt() + Network.INPUT_ZERO).coerceIn(-128, 127).toByte()
}
