import { never, type Mutation } from './mutation.ts'

const pins = 'src/gateway/catalogue/pins.ts'
const folder = 'src/cli/gateway/first-use-folder.ts'

/** What a tool server says of its tools, and who has approved it. */
export const definitionMutations: readonly Mutation[] = [
  {
    claim: 'gateway.changed-tool-quarantined',
    without: 'the comparison with what is approved',
    file: pins,
    edits: [['approved === definition.digest', 'approved !== undefined']],
    tests: ['test/gateway/catalogue/pins.test.ts'],
  },
  {
    claim: 'gateway.approval-is-of-what-was-seen',
    without: 'the digest that was looked at',
    file: 'src/cli/command/tools-command.ts',
    edits: [['each.digest !== digest)', "each.digest !== digest && digest === '')"]],
  },
  {
    claim: 'gateway.approval-is-of-what-was-seen',
    without: 'the look for what a terminal obeys',
    file: 'src/cli/command/tools-command.ts',
    edits: [['return text.replaceAll(', 'return text || text.replaceAll(']],
  },
  {
    claim: 'gateway.digest-of-decimals',
    without: 'the look at numbers that a double makes integers',
    file: 'src/gateway/catalogue/canonical.ts',
    edits: [['plain.hasOddNumber || fraction.test(text)', 'plain.hasOddNumber']],
  },
  {
    claim: 'gateway.digest-of-decimals',
    without: 'the decimal value of such a number',
    file: 'src/gateway/catalogue/canonical.ts',
    edits: [
      ['(digits.length - significant.length) >= 0', '(digits.length - significant.length) >= -1e9'],
    ],
  },
  {
    claim: 'gateway.quarantine-told',
    without: 'the name that is made of what an Event says',
    file: 'src/gateway/upstream/tool-server-events.ts',
    edits: [
      ["hash('sha256', `${uid} ${message}`", "hash('sha256', `${Math.random()} ${uid} ${message}`"],
    ],
  },
  {
    claim: 'gateway.quarantine-told',
    without: 'the bound of Events of one ToolServer',
    file: 'src/gateway/upstream/tool-server-events.ts',
    edits: never('count > ofServerMax'),
  },
  {
    claim: 'gateway.quarantine-told',
    without: 'the look whether the pin is of what is quarantined',
    file: 'src/gateway/catalogue/quarantined-tools.ts',
    edits: [['config.pins[tool] === digest', 'tool !== digest']],
  },
  {
    claim: 'gateway.quarantine-told',
    without: 'the look whether it was told before',
    file: 'src/gateway/catalogue/quarantined-tools.ts',
    edits: never('known.some((each) => each?.digest === found.digest)'),
  },
  {
    claim: 'gateway.quarantine-told',
    without: 'the era in which a tool is quarantined',
    file: 'src/gateway/catalogue/quarantined-tools.ts',
    edits: [['return `${era} ${tool}`', 'return era === tool ? era : tool']],
  },
  {
    claim: 'gateway.lists-explained',
    without: 'what hides a definition',
    file: 'src/cli/command/explain-offers.ts',
    edits: never('quarantine !== undefined'),
  },
  {
    claim: 'gateway.lists-explained',
    without: 'the scopes of the certificate',
    file: 'src/cli/command/explain-offers.ts',
    edits: never('!allowsTool(explaining.ceiling, server, name)'),
  },
  {
    claim: 'gateway.lists-explained',
    without: 'the ceiling of what is no tool',
    file: 'src/cli/command/explain-offers.ts',
    edits: [['!isReached', 'false']],
  },
  {
    claim: 'gateway.lists-explained',
    without: 'the scopes of the server, of what is no tool',
    file: 'src/cli/command/explain-offers.ts',
    edits: [['!servesOffer(config, kind, name)', 'false']],
  },
  {
    claim: 'gateway.lists-explained',
    without: 'the refusal of what a pod asks for beyond its proofs',
    file: 'src/signer/preview/attributes.ts',
    edits: [['first === undefined ? { granted } : { refused: first }', '{ granted }']],
  },
  {
    claim: 'gateway.first-use-remembered',
    without: 'the demand that it is remembered',
    file: pins,
    edits: [
      [
        'firstUse?.remember(server, name, digest)',
        'firstUse?.remember(server, name, digest) ?? digest',
      ],
    ],
  },
  {
    claim: 'gateway.first-use-remembered',
    without: 'the look at what another process has made',
    file: folder,
    edits: [["flag: 'wx'", "flag: 'w'"]],
  },
  {
    claim: 'gateway.first-use-remembered',
    without: 'the bound on the tools of one server',
    file: folder,
    edits: never('digests.size >= toolsMax'),
  },
  {
    claim: 'gateway.definitions-approved-in-production',
    without: 'the demand on ToolServers',
    file: 'src/gateway/upstream/tool-server.ts',
    edits: [['return production && pins', 'return production && !production && pins']],
  },
  {
    claim: 'gateway.definitions-approved-in-production',
    without: 'the demand on a folder that remembers',
    file: 'src/gateway/upstream/tool-server.ts',
    edits: never('trustOnFirstUse && !remembers'),
  },
]
