import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildTools } from '../tools/build.ts'
import { ToolchainError } from '../tools/toolchain-error.ts'
import { formatCertificates } from '../../src/pki/pem.ts'

/** A leaf with what a peer sends and what it trusts, all DER. */
export interface ChainToVerify {
  readonly leaf: Buffer
  readonly intermediates: readonly Buffer[]
  readonly anchors: readonly Buffer[]
  readonly dnsName: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Go's own verifier, built when it is not there; undefined, in one loud line, where there is no Go. In CI that is an error. */
export async function goVerifier(): Promise<string | undefined> {
  try {
    return (await buildTools(['x509-verify'], () => {})).get('x509-verify')
  } catch (error) {
    if (!(error instanceof ToolchainError) || process.env['CI'] === 'true') throw error
    process.stderr.write('NO GO: certificates are not compared with what crypto/x509 takes\n')
    return undefined
  }
}

/** What Go says of each chain, as a client's and as a server's: empty where it takes it. */
export function askGo(program: string, chains: readonly ChainToVerify[]): readonly string[] {
  const base64 = (ders: readonly Buffer[]): string[] => ders.map((der) => der.toString('base64'))
  const lines = chains.map(({ leaf, intermediates, anchors, ...rest }) =>
    JSON.stringify({
      leaf: leaf.toString('base64'),
      intermediates: base64(intermediates),
      anchors: base64(anchors),
      ...rest,
    }),
  )
  const answer = spawnSync(program, { input: `${lines.join('\n')}\n`, encoding: 'utf8' })
  if (answer.status !== 0) throw new Error(answer.stderr)
  return answer.stdout.split('\n').slice(0, chains.length)
}

/** Undefined where there is no openssl command, else what it says of a chain, strictly: empty where it takes it. */
export function askOpenssl(chain: ChainToVerify): string | undefined {
  return verifyTogether([chain.leaf], chain)
}

/** The same of many, by two runs for all that have the same issuers; names are not looked at but of those that are alone. */
export function askOpensslOfAll(chains: readonly ChainToVerify[]): string | undefined {
  const hex = (ders: readonly Buffer[]): string => ders.map((der) => der.toString('hex')).join()
  const groups = Map.groupBy(chains, ({ intermediates, anchors, now }) => {
    return [hex(intermediates), hex(anchors), Math.floor(now / 60_000)].join(' ')
  })
  for (const group of groups.values()) {
    const [first] = group
    if (first === undefined) continue
    const dnsName = group.length === 1 ? first.dnsName : ''
    const leaves = group.map(({ leaf }) => leaf)
    const said = verifyTogether(leaves, { ...first, dnsName })
    if (said !== '') return said
  }
  return ''
}

function verifyTogether(
  leaves: readonly Buffer[],
  { intermediates, anchors, dnsName, now }: Omit<ChainToVerify, 'leaf'>,
): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-openssl-'))
  try {
    const write = (name: string, ders: readonly Buffer[]): string => {
      const file = join(folder, name)
      writeFileSync(file, formatCertificates(ders))
      return file
    }
    const untrusted =
      intermediates.length === 0 ? [] : ['-untrusted', write('middle.pem', intermediates)]
    const common = [
      '-x509_strict',
      '-check_ss_sig',
      '-attime',
      String(Math.floor(now / 1000)),
      '-CAfile',
      write('anchors.pem', anchors),
      ...untrusted,
    ]
    const files = leaves.map((leaf, at) => write(`leaf-${at}.pem`, [leaf]))
    const named = dnsName === '' ? [] : ['-verify_hostname', dnsName]
    for (const sides of [
      ['-purpose', 'sslclient'],
      ['-purpose', 'sslserver', ...named],
    ]) {
      const words = ['verify', ...common, ...sides, ...files]
      const answer = spawnSync('openssl', words, { encoding: 'utf8' })
      if (answer.error !== undefined) return undefined
      if (answer.status !== 0) return answer.stderr.trim()
    }
    return ''
  } finally {
    rmSync(folder, { recursive: true })
  }
}
