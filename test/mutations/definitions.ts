import { never, type Mutation } from './mutation.ts'

const pins = 'src/gateway/catalogue/pins.ts'
const folder = 'src/cli/first-use-folder.ts'

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
