import { never, type Mutation } from './mutation.ts'

const command = 'src/cli/command/guard-command.ts'
const forward = 'src/guard/forward.ts'
const headers = 'src/guard/headers.ts'

/** The defences in front of a server that has none. */
export const guardMutations: readonly Mutation[] = [
  {
    claim: 'guard.verified-by-the-library',
    without: 'the name of the server that a token has to be for',
    file: command,
    edits: [['{ server: options.server }', '{}']],
  },
  {
    claim: 'guard.verified-by-the-library',
    without: 'the demand for a certificate',
    file: command,
    edits: [['...countersign.tlsOptions,', '...countersign.tlsOptions, requestCert: false,']],
  },
  {
    claim: 'guard.caller-from-the-token',
    without: 'the list of what passes in',
    file: headers,
    edits: never('!passedIn.has(name) && !ofProtocol.test(name)'),
  },
  {
    claim: 'guard.caller-from-the-token',
    without: 'the one spelling of the names of the protocol',
    file: headers,
    edits: [['/^mcp-[a-z0-9-]+$/', '/^mcp/']],
  },
  {
    claim: 'guard.no-credential-inside',
    without: 'the absence of a credential from what passes in',
    file: headers,
    edits: [["  'accept-encoding',", "  'accept-encoding',\n  'authorization',"]],
  },
  {
    claim: 'guard.one-door',
    without: 'the one path',
    file: forward,
    edits: never('url !== path'),
  },
  {
    claim: 'guard.one-door',
    without: 'the methods of MCP',
    file: forward,
    edits: never('!methods.has(method)'),
  },
  {
    claim: 'guard.one-door',
    without: 'the look for a body that is not judged',
    file: forward,
    edits: [["method === 'POST' || body.length === 0", 'method !== undefined']],
  },
  {
    claim: 'guard.framed-anew',
    without: 'framing of our own',
    file: headers,
    edits: never('!passedIn.has(name) && !ofProtocol.test(name)'),
  },
  {
    claim: 'guard.framed-anew',
    without: 'the end of a request whose connection changes its protocol',
    file: forward,
    edits: never('!response.headersSent && !response.destroyed'),
    tests: ['test/guard/forward.test.ts'],
    named: 'changes its protocol',
  },
  {
    claim: 'guard.streams-both-ways',
    without: 'the end inside of what is given up outside',
    file: forward,
    edits: never('!response.writableFinished'),
    named: 'given up',
  },
  {
    claim: 'guard.inside-on-loopback-only',
    without: 'the refusal while others can reach the server inside',
    file: command,
    edits: [['shut: () => watch.shut()', 'shut: () => undefined']],
  },
  {
    claim: 'guard.inside-on-loopback-only',
    without: 'the addresses of IPv6',
    file: 'src/guard/listening.ts',
    edits: never('!loopback6.test(bytes)'),
  },
  {
    claim: 'forward.no-page-speaks-as-the-pod',
    without: 'the look at the host',
    file: 'src/guard/outward.ts',
    edits: [['!hosts.includes(host)', "host === ''"]],
  },
  {
    claim: 'forward.socket-is-its-owners',
    without: 'the look at the folder',
    file: 'src/guard/socket.ts',
    edits: never('(found & 0o777 & ~mode) !== 0'),
    tests: ['test/guard/socket.test.ts'],
  },
  {
    claim: 'forward.socket-is-its-owners',
    without: 'the owner of the folder',
    file: 'src/guard/socket.ts',
    edits: never('own !== undefined && uid !== own'),
    tests: ['test/guard/socket.test.ts'],
  },
  {
    claim: 'forward.socket-is-its-owners',
    without: 'the mode of the socket',
    file: 'src/guard/socket.ts',
    edits: [['    await chmod(path, group ? 0o660 : 0o600)\n', '']],
    tests: ['test/guard/socket.test.ts'],
  },
  {
    claim: 'forward.socket-is-its-owners',
    without: 'the look for who answers there',
    file: 'src/guard/socket.ts',
    edits: never('await isAnswered(path)'),
    tests: ['test/guard/socket.test.ts'],
  },
  {
    claim: 'forward.socket-is-its-owners',
    without: 'the look why nobody has answered there',
    file: 'src/guard/socket.ts',
    edits: [['settle(!nobody.has(code))', 'settle(code === undefined)']],
    tests: ['test/guard/socket.test.ts'],
  },
  {
    claim: 'forward.no-page-speaks-as-the-pod',
    without: 'the look for an origin',
    file: 'src/guard/outward.ts',
    edits: never("headers.origin !== undefined || headers['sec-fetch-site'] !== undefined"),
  },
]
