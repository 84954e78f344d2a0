import { never, type Mutation } from './mutation.ts'

const command = 'src/cli/command/guard-command.ts'
const forward = 'src/guard/forward.ts'
const headers = 'src/guard/headers.ts'
const unfit = 'src/guard/unfit.ts'
const inward = 'src/guard/inward.ts'
const talk = 'src/guard/talk.ts'
const child = 'src/guard/child.ts'
const sayings = 'src/guard/sayings.ts'

/** The defences in front of a server that has none. */
export const guardMutations: readonly Mutation[] = [
  {
    claim: 'guard.verified-by-the-library',
    without: 'the name of the server that a token has to be for',
    file: 'src/cli/command/guard-options.ts',
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
    file: unfit,
    edits: never('url !== path'),
  },
  {
    claim: 'guard.one-door',
    without: 'the methods of MCP',
    file: unfit,
    edits: never('!methods.has(method)'),
  },
  {
    claim: 'guard.one-door',
    without: 'the look for a body that is not judged',
    file: unfit,
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
  {
    claim: 'guard.stdio-caller-from-the-token',
    without: 'the end of what is ours in a call from outside',
    file: inward,
    edits: [
      [
        'tellCaller(message, caller),\n      ...withoutOurs(body, offsets.meta),',
        'tellCaller(message, caller),',
      ],
    ],
  },
  {
    claim: 'guard.stdio-caller-from-the-token',
    without: 'the other spelling of our prefix',
    file: inward,
    edits: [['name.toLowerCase().startsWith', 'name.startsWith']],
  },
  {
    claim: 'guard.stdio-caller-from-the-token',
    without: 'the end of what is ours in an answer from outside',
    file: inward,
    edits: [
      [
        'applyEdits(body, withoutOurs(body, meta))',
        'applyEdits(body, meta === undefined ? [] : [])',
      ],
    ],
  },
  {
    claim: 'guard.stdio-one-process-one-session',
    without: 'the caller that a session is of',
    file: 'src/guard/talks.ts',
    edits: [['identity === caller.spiffeId ? talk', 'identity !== undefined ? talk']],
  },
  {
    claim: 'guard.stdio-one-process-one-session',
    without: 'the token of progress that is the caller’s own',
    file: talk,
    edits: [
      ['span === undefined || token === undefined', 'span === undefined || token !== undefined'],
    ],
  },
  {
    claim: 'guard.stdio-one-process-one-session',
    without: 'the end of a session with its process',
    file: talk,
    edits: [['    over()\n    for (const', '    for (const']],
  },
  {
    claim: 'guard.stdio-environment-given',
    without: 'an environment of its own',
    file: child,
    edits: [['spawn(file, args, { env,', 'spawn(file, args, { env: { ...process.env, ...env },']],
  },
  {
    claim: 'guard.stdio-ends-whole',
    without: 'the end of a process that takes nothing any more',
    file: child,
    edits: [["if (isAlive) child.kill('SIGKILL')", "if (!isAlive) child.kill('SIGKILL')"]],
    tests: ['test/guard/child.test.ts'],
  },
  {
    claim: 'guard.stdio-ends-whole',
    without: 'a group of its own',
    file: child,
    edits: [['detached: true', 'detached: false']],
    tests: ['test/guard/child.test.ts'],
  },
  {
    claim: 'guard.stdio-ends-whole',
    without: 'the end of what a process has started',
    file: child,
    edits: [["signalGroup(child, 'SIGKILL')", 'child.unref()']],
    tests: ['test/guard/child.test.ts'],
  },
  {
    claim: 'guard.stdio-sayings-bounded',
    without: 'the bound of lines',
    file: sayings,
    edits: [['if (said <= linesMax) log.info', 'log.info']],
  },
  {
    claim: 'guard.stdio-sayings-bounded',
    without: 'the bound of a line',
    file: sayings,
    edits: [['cut(text, charactersMax)', 'cut(text, Infinity)']],
  },
  {
    claim: 'guard.stdio-sessions-bounded',
    without: 'the bound',
    file: 'src/guard/talks.ts',
    edits: [['talks.size >= sessionsMax', 'false']],
  },
  {
    claim: 'guard.stdio-sessions-bounded',
    without: 'the bound of those that end',
    file: 'src/guard/talks.ts',
    edits: [['closing.size >= sessionsMax', 'false']],
    tests: ['test/guard/talks.test.ts'],
  },
  {
    claim: 'guard.stdio-sessions-shared',
    without: 'the share of a caller',
    file: 'src/guard/talks.ts',
    edits: [['if (full === undefined) {', 'if (full !== null) {']],
    tests: ['test/guard/talks.test.ts'],
  },
  {
    claim: 'guard.stdio-sessions-shared',
    without: 'an end of sessions that are nobody’s',
    file: 'src/guard/talks.ts',
    edits: [
      [
        'talk.owner === undefined ? unownedMillisecondsMax : idleMillisecondsMax',
        'idleMillisecondsMax',
      ],
    ],
    tests: ['test/guard/talks.test.ts'],
  },
]
