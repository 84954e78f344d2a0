import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keyTypes } from '../../src/pki/subject-key.ts'
import { createTestAuthority } from '../support/test-authority.ts'
import { toolPath } from './build.ts'

const program = toolPath('webpki-verify')
if (program === undefined) {
  process.stderr.write(
    'NO webpki-verify: what rustls says of our certificates is not asked (node test/tools/build.ts webpki-verify)\n',
  )
}
const skip = program === undefined ? 'webpki-verify is not built' : false

const name = 'github.tools.svc'

/** What a program of rustls says of a tool server's leaf: as a server, as a client, by its name. */
function verify(authority: ReturnType<typeof createTestAuthority>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-webpki-'))
  try {
    const leaf = authority.issue({
      role: 'tool-server',
      tenant: 'acme',
      models: 'claude',
      toolScopes: 'github:issues_*',
      dnsNames: [name],
    })
    const [anchorFile, leafFile] = [join(folder, 'anchor.pem'), join(folder, 'leaf.pem')]
    writeFileSync(anchorFile, authority.bundlePem)
    writeFileSync(leafFile, leaf.issued.chainPem)
    return execFileSync(program ?? '', [anchorFile, leafFile, name], { encoding: 'utf8' })
      .trim()
      .split('\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// ring verifies no signature of a P-521 key.
for (const keyType of keyTypes.filter((type) => type !== 'ECDSAP521')) {
  test(
    `rustls verifies what a ${keyType} authority signs, for servers and clients`,
    { skip },
    () => {
      assert.deepEqual(verify(createTestAuthority({ keyType })), [
        'server: ok',
        'client: ok',
        'name: ok',
      ])
    },
  )
}

test('rustls verifies nothing of an authority whose URIs are constrained', { skip }, () => {
  assert.deepEqual(verify(createTestAuthority({ constrainUris: true })), [
    'server: NameConstraintViolation',
    'client: NameConstraintViolation',
    'name: ok',
  ])
})
