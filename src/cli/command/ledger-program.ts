import type { Command } from 'commander'
import type { Terminal } from '../terminal.ts'
import type {
  CosignOptions,
  HistoryOptions,
  ProveOptions,
  VerifyOptions,
} from './ledger-command.ts'

const load = () => import('./ledger-command.ts')
const json = ['--json', 'for programs, see docs/LEDGER.md'] as const
const files = ['<ledger...>', 'the files of one or more replicas, or copies of them'] as const

/** `countersign ledger …`: what was decided, read, checked and proved. */
export function addLedger(program: Command, terminal: Terminal): void {
  const ledger = program
    .command('ledger')
    .description('Reads what signers have decided, checks it, and proves it to others.')
    .addHelpText(
      'after',
      `
Files are only read, beside a running signer or as copies. Ledgers of several replicas are read as one, by time.
Exit codes: 0 ok, 1 changed, cut, not found or not from a kubelet, 2 usage.

Examples:
  countersign ledger history ledger-0 ledger-1 --pod acme/researcher-0
  countersign ledger verify ledger-0 --key 'example.org/ledger/east/signer-0+1f2e3d4c+Ab...' --checkpoint kept-last-month
  countersign ledger join ledger-0 ledger-1 --audit-log audit.log`,
    )
  ledger
    .command('show')
    .description('Prints every record, one a line, by time.')
    .argument(...files)
    .option(...json)
    .action(async (paths: string[], options: { json?: boolean }) => {
      await (await load()).runLedgerShow(paths, options, terminal)
    })
  ledger
    .command('find')
    .description('Prints the records that have a value: an id, a serial number, a name, a hash.')
    .argument('<value>', 'the whole of it')
    .argument(...files)
    .option(...json)
    .action(async (value: string, paths: string[], options: { json?: boolean }) => {
      await (await load()).runLedgerShow(paths, { ...options, value }, terminal)
    })
  addHistory(ledger, terminal)
  addVerify(ledger, terminal)
  addProve(ledger, terminal)
  ledger
    .command('export')
    .description('Writes a published log with its entries for any web server to serve.')
    .argument('<ledger>')
    .argument('<folder>', 'is made')
    .action(async (path: string, folder: string) => {
      await (await load()).runLedgerExport(path, folder, terminal)
    })
  addCosign(ledger, terminal)
  ledger
    .command('join')
    .description('Names each request that did not come from the kubelet of its pod’s node.')
    .argument(...files)
    .option('--audit-log <file...>', 'of the API server, one JSON event a line (required)')
    .option(...json)
    .action(async (paths: string[], options: { auditLog?: string[]; json?: boolean }) => {
      await (await load()).runLedgerJoin(paths, options, terminal)
    })
}

function addHistory(ledger: Command, terminal: Terminal): void {
  ledger
    .command('history')
    .description(
      'Says who held which identity when: every certificate that was, or may have been, issued.',
    )
    .argument(...files)
    .option('--spiffe-id <id>', 'of this identity')
    .option('--pod <namespace/name>', 'of this pod, or of the one with this UID')
    .option('--node <name>', 'of pods on this node')
    .option('--serial <number>', 'of the certificate with this serial number, as openssl writes it')
    .option('--sha256 <hex>', 'of the certificate or the public key with this hash')
    .option('--at <time>', 'valid at this time (RFC 3339)')
    .option(...json)
    .action(async (paths: string[], options: HistoryOptions) => {
      await (await load()).runLedgerHistory(paths, options, terminal)
    })
}

function addVerify(ledger: Command, terminal: Terminal): void {
  ledger
    .command('verify')
    .description(
      'Checks every hash, tile and checkpoint; exits 1 with the place of what was changed or cut.',
    )
    .argument(...files)
    .option('--key <verifier key>', 'of the log, as its signer says it at its start')
    .option('--checkpoint <file...>', 'checkpoints that were kept elsewhere')
    .option('--witness <verifier key...>', 'whose cosignatures are asked for')
    .option('--quorum <number>', 'so many of them on one checkpoint; all when absent')
    .option(...json)
    .action(async (paths: string[], options: VerifyOptions) => {
      await (await load()).runLedgerVerify(paths, options, terminal)
    })
}

function addProve(ledger: Command, terminal: Terminal): void {
  ledger
    .command('prove')
    .description(
      'Prints a proof that a record is in the published log, or that it goes on from a size.',
    )
    .argument('<ledger>')
    .option('--index <record>', 'inclusion of this record, as a C2SP tlog-proof')
    .option(
      '--leaf-hash <hash>',
      'of the record with this hash, which nobody needs to have any more',
    )
    .option('--from <size>', 'consistency with the log as it was with so many records')
    .option(...json)
    .action(async (path: string, options: ProveOptions) => {
      await (await load()).runLedgerProve(path, options, terminal)
    })
}

function addCosign(ledger: Command, terminal: Terminal): void {
  ledger
    .command('cosign')
    .description(
      'Signs the checkpoint as a witness, where the log goes on from the one that was signed last.',
    )
    .argument('<ledger>', 'a copy, with its folder .log beside it')
    .option('--key <verifier key>', 'of the log (required)')
    .option('--witness-key <file>', 'Ed25519, PKCS#8 PEM (required)')
    .option('--make-key', 'makes it where there is none')
    .option('--witness-name <name>', 'of the witness (required)')
    .option(
      '--state <file>',
      'keeps what was signed last, where the signer cannot write (required)',
    )
    .action(async (path: string, options: CosignOptions) => {
      await (await load()).runLedgerCosign(path, options, terminal)
    })
}
