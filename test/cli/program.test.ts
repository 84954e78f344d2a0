import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../../src/cli/program.ts'
import type { ExitCode } from '../../src/cli/terminal.ts'
import { version } from '../../src/version.ts'

interface Seen {
  readonly code: ExitCode
  readonly out: string
  readonly err: string
}

async function countersign(...argv: string[]): Promise<Seen> {
  let out = ''
  let err = ''
  const code = await run(argv, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

for (const argument of ['version', '--version', '-V']) {
  test(`${argument} prints the version of the package`, async () => {
    assert.deepEqual(await countersign(argument), { code: 0, out: `${version}\n`, err: '' })
  })
}

for (const command of [
  [],
  ['signer'],
  ['gateway'],
  ['guard'],
  ['decisions'],
  ['forward'],
  ['bridge'],
  ['doctor'],
]) {
  test(`${['countersign', ...command, '--help'].join(' ')} has an example and exits 0`, async () => {
    const { code, out } = await countersign(...command, '--help')
    assert.equal(code, 0)
    assert.match(out, /Examples?:\n {2}countersign /)
  })
}

function bridgeTo(url: string, server: string): readonly string[] {
  const files = ['--credential-bundle', 'key.pem', '--trust-bundle', 'trust.pem']
  return ['bridge', '--url', url, '--server', server, ...files]
}

function guardOf(...words: readonly string[]): readonly string[] {
  const files = ['--credential-bundle', 'key.pem', '--trust-bundle', 'trust.pem']
  const gateway = ['--gateway', 'spiffe://a.example/ns/a/sa/b']
  return ['guard', '--to', 'http://127.0.0.1:8000/mcp', ...gateway, ...files, ...words]
}

const misused: readonly [readonly string[], RegExp][] = [
  [['sign'], /unknown command 'sign'/],
  [['signer'], /required option '--config <file>'/],
  [['gateway', '--config'], /argument missing/],
  [['version', 'extra'], /too many arguments/],
  [['bridge'], /countersign: error: bridge: url: required \(cli\/usage\)\nhint: /],
  [bridgeTo('http://gateway/mcp', 'spiffe://a.example/ns/a/sa/b'), /url: want=https:/],
  [bridgeTo('https://gateway/mcp', 'gateway'), /bridge: server: .* \(cli\/usage\)\nhint: such as/],
  [['guard'], /guard: to: required/],
  [['forward'], /forward: url: required/],
  [['forward', '--port', '99999'], /forward: port: want=0\.\.65535 got="99999"/],
  [guardOf('--listen', '127.0.0.1:8000'), /guard: listen: want=another port than the server's/],
  [guardOf('--stdio', '--', 'server'), /guard: to: want=--to or --stdio, and not both/],
  [guardOf('--', 'server'), /guard: command: want=--stdio beside it/],
  [guardOf('--path', '/a'), /guard: path: want=--stdio beside it/],
  [['guard', '--stdio'], /guard: stdio: want=-- <command> at its end/],
  [['guard', '--stdio', '--path', 'mcp', '--', 'server'], /guard: path: want=\/<path> got="mcp"/],
  [['guard', '--stdio', '--sessions-max', '257', '--', 'a'], /guard: sessions-max: want=1\.\.256/],
  [['guard', '--stdio', '--env', 'NOT_HERE', '--', 'a'], /guard: env: "NOT_HERE" is not in the/],
  [guardOf('--listen', 'localhost:8443'), /guard: listen: want=<address>:<port> got="localhost/],
  [guardOf('--admin', '9092'), /guard: admin: want=<address>:<port> got="9092"/],
  [guardOf('--grace-seconds', '1e9'), /guard: grace-seconds: want=0\.\.600 got="1e9"/],
  [['bridge', '--dev', '/none/dev.json'], /cannot read "\/none\/dev\.json"/],
  [['doctor', '--namespace', 'No Such'], /--namespace: want=a name of a namespace got="No Such"/],
  [
    ['doctor', '--gateway', 'http://gateway'],
    /--gateway: want=an https URL got="http:\/\/gateway"/,
  ],
]

for (const [argv, message] of misused) {
  test(`countersign ${argv.join(' ')} is a usage error: exit 2, and says why`, async () => {
    const { code, err } = await countersign(...argv)
    assert.equal(code, 2)
    assert.match(err, message)
    assert.match(err, /^countersign: error: [^]*\(cli\/usage\)\nhint: /)
  })
}

for (const command of ['signer', 'gateway']) {
  test(`countersign ${command} with a configuration that is not there exits 2 with a hint`, async () => {
    const { code, err, out } = await countersign(command, '--config', '/none/config.yaml')
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(
      err,
      /^countersign: error: cannot read configuration "\/none\/config\.yaml".*\nhint: /,
    )
  })
}
