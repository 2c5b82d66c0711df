import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.transforms.Transformation;

/** Makes the chat's id the key of a record whose value is a JSON line: no transformation of Connect reads JSON in a text. */
public final class ChatKey<R extends ConnectRecord<R>> implements Transformation<R> {
    private final ObjectMapper mapper = new ObjectMapper();

    @Override
    public R apply(R given) {
        try {
            String key = mapper.readTree((String) given.value()).get("sessionId").asText();
            return given.newRecord(given.topic(), given.kafkaPartition(), Schema.STRING_SCHEMA, key,
                    given.valueSchema(), given.value(), given.timestamp());
        } catch (JsonProcessingException problem) {
            throw new DataException("not a JSON line", problem);
        }
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public void configure(Map<String, ?> settings) { }

    @Override
    public void close() { }
}
