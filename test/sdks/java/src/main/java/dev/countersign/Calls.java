package dev.countersign;

import io.modelcontextprotocol.client.McpClient;
import io.modelcontextprotocol.client.McpSyncClient;
import io.modelcontextprotocol.client.transport.HttpClientStreamableHttpTransport;
import io.modelcontextprotocol.json.McpJsonDefaults;
import io.modelcontextprotocol.spec.McpError;
import io.modelcontextprotocol.spec.McpSchema.CallToolRequest;
import io.modelcontextprotocol.spec.McpSchema.CallToolResult;
import io.modelcontextprotocol.spec.McpSchema.TextContent;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;

/** The client of the official Java SDK. */
public final class Calls {
  private Calls() {}

  public static void main(String[] words) throws Exception {
    SSLContext context = Identity.open(Path.of(System.getenv("IDENTITY")));
    URI gateway = URI.create(System.getenv("GATEWAY"));
    // A file of hosts says where that name is, so that name, SNI and Host are those of the certificate.
    String origin = "https://" + System.getenv("SERVER_NAME") + ":" + gateway.getPort();
    HttpClientStreamableHttpTransport transport =
        HttpClientStreamableHttpTransport.builder(origin)
            .endpoint(gateway.getPath())
            .customizeClient(client -> client.sslContext(context))
            .build();
    try (McpSyncClient client = McpClient.sync(transport).build()) {
      client.initialize();
      System.out.println("lists " + client.listTools().tools().size());
      String calls = Files.readString(Path.of(System.getenv("CALLS")));
      for (Object call : McpJsonDefaults.getMapper().readValue(calls, List.class)) {
        System.out.println(shown(client, (List<?>) call).replace('\n', ' '));
      }
    }
  }

  @SuppressWarnings("unchecked")
  private static String shown(McpSyncClient client, List<?> call) {
    Map<String, Object> arguments = (Map<String, Object>) call.get(1);
    try {
      CallToolResult answer =
          client.callTool(
              CallToolRequest.builder((String) call.get(0)).arguments(arguments).build());
      return "answered " + ((TextContent) answer.content().get(0)).text();
    } catch (McpError error) {
      return "refused " + error.getMessage();
    }
  }
}
