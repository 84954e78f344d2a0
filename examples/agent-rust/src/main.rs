//! An agent: the mounted certificate, an MCP client of the official SDK, the gateway.

mod mounted_identity;

use std::env::var;
use std::error::Error;
use std::io::stdin;
use std::net::SocketAddr;

use mounted_identity::mounted_identity;
use reqwest::{Client, Url};
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt};
use serde_json::json;
use tokio::task::spawn_blocking;

const GATEWAY: &str = "https://countersign-gateway.countersign-system.svc/mcp";

struct Agent;
impl ClientHandler for Agent {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = var("IDENTITY").unwrap_or("/var/run/countersign".into());
    let mut gateway: Url = var("GATEWAY").unwrap_or(GATEWAY.into()).parse()?;
    let mut http = Client::builder().tls_backend_preconfigured(mounted_identity(folder)?);
    // The DNS name in the gateway's certificate, where it is reached by an address.
    if let Ok(name) = var("SERVER_NAME") {
        let host = gateway.host_str().ok_or("no host")?.parse()?;
        let port = gateway.port_or_known_default().ok_or("no port")?;
        http = http.resolve(&name, SocketAddr::new(host, port));
        gateway.set_host(Some(&name))?;
    }
    let transport = StreamableHttpClientTransport::with_client(
        http.build()?,
        StreamableHttpClientTransportConfig::with_uri(gateway.to_string()),
    );
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let client = Agent.serve_with_lifecycle(transport, lifecycle).await?;
    for tool in client.list_all_tools().await? {
        println!("sees {}", tool.name);
    }
    // Each line of its input is a repository, in which it opens an issue.
    while let Some(repository) = spawn_blocking(|| stdin().lines().next()).await? {
        let asked = json!({"repository": repository?, "title": "Hello from Rust"});
        let params = CallToolRequestParams::new("github_issues_create")
            .with_arguments(asked.as_object().cloned().unwrap_or_default());
        match client.call_tool(params).await {
            Ok(answer) => println!("answered {}", json!(answer.content)),
            Err(error) => println!("refused {error}"),
        }
    }
    client.cancel().await?;
    Ok(())
}
