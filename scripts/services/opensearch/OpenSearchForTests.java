import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node out of its libraries, without its distribution: folder, address, port. */
public final class OpenSearchForTests extends Node {
    private OpenSearchForTests(Settings settings) {
        super(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "node"),
            List.of(Netty4Plugin.class, CommonAnalysisPlugin.class),
            false);
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Settings settings = Settings.builder()
            .put("path.home", folder.toString())
            .put("path.data", folder.resolve("data").toString())
            .put("cluster.name", "switchboard-tests")
            .put("discovery.type", "single-node")
            .put("network.host", arguments[1])
            .put("http.port", arguments[2])
            // Nobody else joins: any free port.
            .put("transport.port", "0")
            .put("node.processors", 1)
            // A full disk of the machine is no concern of a test.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        OpenSearchForTests node = new OpenSearchForTests(settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception ignored) {
                // The process ends anyway.
            }
        }));
        node.start();
        System.out.println("Startup complete");
        Thread.currentThread().join();
    }
}
