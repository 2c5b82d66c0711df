import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.Map;

/**
 * Decodes custom resources of Strimzi with the types of its operator, strictly: an unknown field is a problem, and so is
 * a value that its type does not know. Strimzi itself keeps such fields aside, and reads such values as null.
 *
 * Reads JSON objects from standard input, one a line. Prints one line for each problem and exits with 1 if there is one.
 */
final class StrimziDecoder {
    private static final Map<String, Class<?>> TYPES =
            Map.of("KafkaTopic", KafkaTopic.class, "KafkaUser", KafkaUser.class);

    private final ObjectMapper mapper = new ObjectMapper();
    private boolean failed;

    private StrimziDecoder() {
        mapper.enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        mapper.setAnnotationIntrospector(new JacksonAnnotationIntrospector() {
            @Override
            public Boolean hasAnySetter(Annotated member) {
                return false; // the setter that keeps unknown fields aside
            }

            @Override
            public JsonInclude.Value findPropertyInclusion(Annotated member) {
                return JsonInclude.Value.empty(); // defaults and null are written as well, to be compared
            }
        });
    }

    public static void main(String[] arguments) throws IOException {
        StrimziDecoder decoder = new StrimziDecoder();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            decoder.check(line);
        }
        System.exit(decoder.failed ? 1 : 0);
    }

    private void check(String line) throws IOException {
        JsonNode given = mapper.readTree(line);
        String kind = given.path("kind").asText();
        if (!TYPES.containsKey(kind)) {
            report(kind, "no Java type is known for it");
            return;
        }
        try {
            compare(kind, "", given, mapper.valueToTree(mapper.treeToValue(given, TYPES.get(kind))));
        } catch (JsonProcessingException problem) {
            report(kind, problem.getOriginalMessage());
        }
    }

    /** Reports everything in `given` that is not in `understood`. */
    private void compare(String kind, String path, JsonNode given, JsonNode understood) {
        if (given.isObject()) {
            for (Iterator<String> names = given.fieldNames(); names.hasNext(); ) {
                String name = names.next();
                compare(kind, path + "." + name, given.get(name), understood.path(name));
            }
        } else if (given.isArray()) {
            for (int at = 0; at < given.size(); at++) {
                compare(kind, path + "[" + at + "]", given.get(at), understood.path(at));
            }
        } else if (!given.equals(understood)) {
            report(kind, path + ": " + given + " is read as " + understood);
        }
    }

    private void report(String kind, String problem) {
        System.out.println(kind + ": " + problem);
        failed = true;
    }
}
