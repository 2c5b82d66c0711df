import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Reads JSON lines from a topic and writes them keyed by chat with Kafka Streams, exactly once, until it is ended.
 *
 * Arguments: servers, application id, the topic of lines, the topic of records.
 */
final class KeyedLines {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private KeyedLines() { }

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(arguments[2], Consumed.with(Serdes.ByteArray(), Serdes.String()))
                .selectKey((none, line) -> chat(line))
                .to(arguments[3], Produced.with(Serdes.String(), Serdes.String()));
        new KafkaStreams(builder.build(), settings).start();
    }

    private static String chat(String line) {
        try {
            return MAPPER.readTree(line).get("sessionId").asText();
        } catch (JsonProcessingException problem) {
            throw new IllegalArgumentException("not a JSON line", problem);
        }
    }
}
