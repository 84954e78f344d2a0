//! The official Rust SDK over rustls, with the steps of a plan: what it has to say at each is one line of JSON.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProtocolVersion};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;

type Failure = Box<dyn Error>;

#[derive(Deserialize)]
struct Plan {
    servers: Vec<Asked>,
    port: u16,
    #[serde(rename = "serverName")]
    server_name: String,
    folder: String,
}

#[derive(Deserialize)]
struct Asked {
    server: String,
    url: String,
    steps: HashMap<String, Value>,
}

/// Counts what it is told of progress.
#[derive(Clone, Default)]
struct Told(Arc<AtomicUsize>);

impl ClientHandler for Told {
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Client = RunningService<RoleClient, Told>;

fn say(server: &str, step: &str, outcome: Result<String, Failure>) {
    let line = match outcome {
        Ok(said) => json!({"server": server, "step": step, "said": said}),
        Err(error) => json!({"server": server, "step": step, "failed": shown(&*error)}),
    };
    println!("{line}");
}

/// An error with what it came of: the SDK keeps the reason below.
fn shown(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", shown(source)),
        None => error.to_string(),
    }
}

fn text_at(answer: impl Serialize, path: &str) -> Result<String, Failure> {
    let value = serde_json::to_value(answer)?;
    let text = value.pointer(path).and_then(Value::as_str);
    Ok(text.ok_or(format!("no text at {path}"))?.to_owned())
}

async fn call(client: &Client, what: &Value) -> Result<String, Failure> {
    let params = json!({"name": what["tool"], "arguments": what["arguments"]});
    let answer = client.call_tool(serde_json::from_value(params)?).await?;
    text_at(answer, "/content/0/text")
}

async fn give_up(client: &Client, what: &Value, after: &Value) -> Result<String, Failure> {
    let given = timeout(Duration::from_millis(500), call(client, what)).await;
    let ended = if given.is_ok() { "answered" } else { "given up" };
    Ok(format!("{ended}, then {}", call(client, after).await?))
}

async fn run_steps(client: &Client, asked: &Asked) {
    let Asked { server, steps, .. } = asked;
    let listed = client.list_all_tools().await.map_err(Failure::from);
    let names = listed.map(|tools| {
        let names: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
        names.join(",")
    });
    say(server, "lists", names);
    say(server, "calls", call(client, &steps["calls"]).await);
    say(server, "refuses", call(client, &steps["refuses"]).await);
    if let Some(what) = steps.get("progress") {
        let done = call(client, what).await;
        let told = client.service().0.load(Ordering::SeqCst).to_string();
        say(server, "progress", done.map(|_| told));
    }
    if let Some(what) = steps.get("cancels") {
        say(server, "cancels", give_up(client, what, &steps["calls"]).await);
    }
    if let Some(uri) = steps.get("reads") {
        say(server, "reads", read(client, uri).await);
    }
    if let Some(what) = steps.get("prompts") {
        say(server, "prompts", prompt(client, what).await);
    }
}

async fn read(client: &Client, uri: &Value) -> Result<String, Failure> {
    let params = serde_json::from_value(json!({ "uri": uri }))?;
    text_at(client.read_resource(params).await?, "/contents/0/text")
}

async fn prompt(client: &Client, what: &Value) -> Result<String, Failure> {
    let params = serde_json::from_value(what.clone())?;
    text_at(client.get_prompt(params).await?, "/messages/0/content/text")
}

/// Presents the mounted certificate, and asks for the name in the gateway's, wherever the gateway is.
fn http(plan: &Plan) -> Result<reqwest::Client, Failure> {
    let own = fs::read(format!("{}/credential-bundle.pem", plan.folder))?;
    let anchors = fs::read(format!("{}/trust-bundle.pem", plan.folder))?;
    let address = SocketAddr::from(([127, 0, 0, 1], plan.port));
    let mut builder = reqwest::Client::builder()
        .identity(reqwest::Identity::from_pem(&own)?)
        .resolve(&plan.server_name, address)
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&anchors)?);
    builder = builder.pool_max_idle_per_host(0);
    Ok(builder.build()?)
}

async fn connect(plan: &Plan, asked: &Asked, mode: &str) -> Result<Client, Failure> {
    let url = asked.url.replace("127.0.0.1", &plan.server_name);
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(http(plan)?, config);
    let lifecycle = match mode {
        "auto" => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        _ => ClientLifecycleMode::Initialize,
    };
    Ok(Told::default().serve_with_lifecycle(transport, lifecycle).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let plan: Plan = serde_json::from_slice(&fs::read(std::env::var("PLAN")?)?)?;
    for asked in &plan.servers {
        match connect(&plan, asked, &mode).await {
            Ok(client) => {
                let info = serde_json::to_value(client.peer_info())?;
                let revision = info["protocolVersion"].as_str().unwrap_or_default().to_owned();
                say(&asked.server, "speaks", Ok(revision));
                run_steps(&client, asked).await;
                client.cancel().await?;
            }
            Err(error) => say(&asked.server, "speaks", Err(error)),
        }
    }
    Ok(())
}
