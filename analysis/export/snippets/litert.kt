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
        inputs[0].writeFloat(planes(image))
        model.run(inputs, outputs)
        return bitmap(outputs[0].readFloat(), Network.SCALE * image.width, Network.SCALE * image.height)
    }
}
