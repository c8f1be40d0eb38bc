import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import android.graphics.Bitmap
import java.nio.FloatBuffer
import kotlin.math.roundToInt

/** Runs the file with these contents, such as `context.assets.open(Network.FILE).readBytes()`. */
class Upscaler(file: ByteArray) {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(file)

    fun upscale(image: Bitmap): Bitmap {
        require(minOf(image.width, image.height) >= Network.SMALLEST)
        val shape = longArrayOf(1, 3, image.height.toLong(), image.width.toLong())
        val colours = OnnxTensor.createTensor(environment, FloatBuffer.wrap(planes(image)), shape).use { input ->
            session.run(mapOf(Network.INPUT to input)).use { outputs ->
                val buffer = (outputs[0] as OnnxTensor).floatBuffer
                FloatArray(buffer.remaining()).also { buffer.get(it) }
            }
        }
        return bitmap(colours, Network.SCALE * image.width, Network.SCALE * image.height)
    }
}
