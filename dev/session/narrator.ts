import { fileURLToPath } from 'node:url'
import type { DevFile } from '../story/dev-file.ts'
import { ownName, type OwnServer } from '../story/own-server.ts'
import type { Told } from '../story/story.ts'
import type { SeenDecision } from './follow-decisions.ts'

/** Tells the story in words, or one JSON object a line. */
export interface Narrator {
  opening(folder: string): void
  progress(line: string): void
  tell(told: Told): void
  closing(ok: boolean): void
  invitation(devFile: DevFile, path: string, own: OwnServer | undefined): void
  decision(decision: SeenDecision): void
}

export function createNarrator(options: {
  readonly out: (text: string) => void
  readonly json: boolean
}): Narrator {
  return options.json ? jsonNarrator(options.out) : proseNarrator(options.out)
}

function jsonNarrator(out: (text: string) => void): Narrator {
  const line = (value: object): void => out(`${JSON.stringify(value)}\n`)
  return {
    opening: (folder) => line({ event: 'opening', folder }),
    progress: (progress) => line({ event: 'progress', progress }),
    tell: (told) => line({ event: 'step', ...told }),
    closing: (ok) => line({ event: 'closing', ok }),
    invitation: (_devFile, path) => line({ event: 'ready', devFile: path }),
    decision: (decision) => line({ event: 'decision', ...decision }),
  }
}

function proseNarrator(out: (text: string) => void): Narrator {
  let chapter = ''
  let failures = 0
  let steps = 0
  return {
    opening: (folder) => out(`Countersign, on this machine alone. Everything is in ${folder}\n\n`),
    progress: (line) => out(`  … ${line}\n`),
    tell(told) {
      if (told.chapter !== chapter) {
        chapter = told.chapter
        out(`\n${chapter}\n`)
      }
      steps += 1
      if (!told.ok) failures += 1
      out(`  ${told.ok ? '✓' : '✗'} ${told.step}\n      ${told.detail}\n`)
    },
    closing: (ok) =>
      out(
        ok
          ? `\nAll ${steps} steps are as they should be.\n`
          : `\n${failures} of ${steps} steps failed.\n`,
      ),
    invitation: (devFile, path, own) => out(invitationText(devFile, path, own)),
    decision({ caller, method, target, allowed, decisionId }) {
      out(`  ${allowed ? 'allowed' : 'refused'}  ${caller}  ${method} ${target}  ${decisionId}\n`)
    },
  }
}

/** The product's own command, as a shell would start it. */
function ownCommand(): string {
  return `${process.execPath} ${fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))}`
}

function invitationText(devFile: DevFile, path: string, own: OwnServer | undefined): string {
  const example = { name: 'github_issues_list', input: { repository: 'acme/website' } }
  const [tool] = own?.tools ?? []
  const ownCall =
    tool === undefined
      ? ''
      : `\nOne of your own server's tools, by the same agent:\n\n${callText(devFile, { name: `${ownName}_${tool.name}`, input: tool.sample })}\n`
  return `
It stays up. Everything about it is in ${path}. Ctrl-C stops it.

A call as acme/researcher:

${callText(devFile, example)}
${ownCall}
The cluster, with kubectl:

  kubectl --kubeconfig '${devFile.kubernetes.kubeconfig}' get podcertificaterequests -A

What the signer says of a pod, and why:

  ${ownCommand()} evaluate pod/acme/scope-thief --config '${devFile.signerConfig}'

The MCP Inspector cannot show a client certificate, so it talks through a bridge on standard input and output:

  npx @modelcontextprotocol/inspector --cli ${ownCommand()} bridge --dev '${path}' --method tools/list

Decisions as they are made:
`
}

/** A call as a shell makes it. */
function callText(
  devFile: DevFile,
  call: { readonly name: string; readonly input: object },
): string {
  const pod = devFile.pods.find(({ name }) => name === 'researcher')
  const bundle = pod?.credentialBundle ?? ''
  const { port } = new URL(devFile.gateway.url)
  const host = devFile.gateway.serverName
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: call.name,
      arguments: call.input,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  })
  return `  curl --silent --connect-to ${host}:443:127.0.0.1:${port} https://${host}/mcp \\
    --cert '${bundle}' --key '${bundle}' \\
    --cacert '${devFile.trustBundle}' \\
    -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \\
    -H 'mcp-protocol-version: 2026-07-28' -H 'mcp-method: tools/call' -H 'mcp-name: ${call.name}' \\
    -d '${body.replaceAll("'", "'\\''")}'`
}
