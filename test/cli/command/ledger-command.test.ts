import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { appendFile, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { run } from '../../../src/cli/program.ts'
import { openLedger } from '../../../src/ledger/ledger.ts'
import { logFolderOf } from '../../../src/tlog/log-folder.ts'
import { acquireLock } from '../../../src/ledger/lock.ts'
import { readLogKey } from '../../../src/tlog/log-key.ts'
import { createVerifier, formatVerifierKey } from '../../../src/tlog/note.ts'
import type { IssuanceIntent, IssuanceResult } from '../../../src/ledger/record.ts'
import { silentLog } from '../../../src/log.ts'
import { authorityRecord, intentRecord, resultRecord } from '../../ledger/records.ts'
import { now, temporaryFolder } from '../../ledger/open-ledger.ts'
import { goLog } from '../../tlog/go-log.ts'
import { requirement } from '../../requirements.ts'

const signerName = 'example.org/ledger/test/signer-0'

async function countersign(
  ...argv: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = ''
  let err = ''
  const code = await run(['ledger', ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

function issued(
  index: number,
  minute: number,
  changes: Partial<IssuanceIntent> = {},
): [IssuanceIntent, IssuanceResult] {
  const at = (minutes: number) => `2026-11-22T10:${String(minutes).padStart(2, '0')}:00.000Z`
  const times = { time: at(minute), notBefore: at(minute), notAfter: at(minute + 20) }
  const intent = intentRecord(index, {
    ...times,
    serialNumber: `0a${index.toString(16).padStart(4, '0')}`,
    ...changes,
  })
  const result: IssuanceResult = {
    ...resultRecord(index),
    time: at(minute),
    detail: '',
    certificateSha256: index.toString(16).padStart(64, 'f'),
    intentIndex: 0,
  }
  return [intent, result]
}

/** A closed ledger of these issuances, published with a key of its own. */
async function ledgerIn(
  folder: string,
  name: string,
  issuances: readonly [IssuanceIntent, IssuanceResult?][],
): Promise<{ readonly file: string; readonly key: string }> {
  const file = join(folder, name)
  const privateKey = await readLogKey(join(folder, 'key.pem'), { make: true })
  const signer = { ...createVerifier(signerName, createPublicKey(privateKey)), privateKey }
  await using ledger = await openLedger({ file, now, log: silentLog, signer })
  for (const [intent, result] of issuances) {
    const { index } = await ledger.append(intent)
    if (result !== undefined) await ledger.append({ ...result, intentIndex: index })
  }
  return { file, key: formatVerifierKey(signer) }
}

test('a CA for another cluster is shown, found, and held under its trust domain', async () => {
  requirement('ledger.who-held-what-when')
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'hub')
  const intent = authorityRecord()
  const end = { ...intent, outcome: 'published', certificateSha256: 'e'.repeat(64) } as const
  {
    await using ledger = await openLedger({ file, now, log: silentLog })
    await ledger.append(intent)
    await ledger.append(end)
  }
  const { issuanceId } = intent
  const shown = await countersign('show', file)
  assert.match(
    shown.out,
    /authority-verdict \S+ team-a\/agent-1 published issued RequesterProved for system:serviceaccount:countersign-system:countersign-signer: a CA of edge-1\.example\n$/,
  )
  assert.equal((await countersign('find', issuanceId, file)).code, 0)
  for (const question of [
    ['--spiffe-id', 'spiffe://edge-1.example'],
    ['--serial', issuanceId],
    ['--sha256', 'e'.repeat(64)],
    ['--pod', 'countersign-system/countersign-signer-0'],
  ]) {
    const { out } = await countersign('history', file, ...question)
    assert.match(out, / spiffe:\/\/edge-1\.example pod .* published /, question.join(' '))
  }
})

test('who held what when is answered by one command over the ledgers of all replicas', async () => {
  requirement('ledger.who-held-what-when')
  await using folder = await temporaryFolder()
  const bob = 'spiffe://example.org/ns/team-b/sa/bob'
  const { file: a } = await ledgerIn(folder.path, 'a', [issued(1, 0), [issued(3, 30)[0]]])
  const [intent, result] = issued(4, 31)
  const { file: b } = await ledgerIn(folder.path, 'b', [
    issued(2, 10, { spiffeId: bob, pod: { name: 'bob-0\u001b[31m', uid: 'bob-uid' } }),
    [intent, { ...result, outcome: 'unpublished' }],
  ])
  const asked = async (...options: string[]) => {
    const { out } = await countersign('history', a, b, '--json', ...options)
    const { holdings } = JSON.parse(out) as {
      holdings: { serialNumber: string; outcome: string }[]
    }
    return holdings.map(({ serialNumber, outcome }) => `${serialNumber} ${outcome}`)
  }
  const all = ['0a0001 published', '0a0002 published', '0a0003 open', '0a0004 unpublished']
  assert.deepEqual(await asked(), all)
  assert.deepEqual(await asked('--at', '2026-11-22T10:15:00Z'), all.slice(0, 2))
  assert.deepEqual(await asked('--at', '2026-11-22T10:20:00Z'), all.slice(1, 2), 'notAfter is over')
  assert.deepEqual(await asked('--spiffe-id', bob), all.slice(1, 2))
  assert.deepEqual(await asked('--pod', 'bob-uid'), all.slice(1, 2))
  assert.deepEqual(await asked('--pod', 'team-a/agent'), [all[0], all[2], all[3]])
  assert.deepEqual(await asked('--serial', 'A:00:02'), all.slice(1, 2))
  assert.deepEqual(await asked('--sha256', (1).toString(16).padStart(64, 'f')), all.slice(0, 1))
  assert.deepEqual(await asked('--node', 'node-2'), [])
  const { out } = await countersign('history', a, b)
  assert.ok(!out.includes('\u001b'), 'what a pod is called moves no cursor')
  assert.equal((await countersign('history', a, '--at', 'yesterday')).code, 2)
})

test('records are shown by time over all ledgers, and found by any whole value', async () => {
  await using folder = await temporaryFolder()
  const { file: a } = await ledgerIn(folder.path, 'a', [issued(1, 0), issued(3, 30)])
  const { file: b } = await ledgerIn(folder.path, 'b', [issued(2, 10)])
  const { out } = await countersign('show', a, b, '--json')
  const shown = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { record: { issuanceId: string } })
  assert.deepEqual(
    shown.map(({ record }) => Number(`0x${record.issuanceId}`)),
    [1, 1, 2, 2, 3, 3],
  )
  const found = await countersign('find', '0a0002', a, b)
  assert.equal(found.code, 0)
  assert.match(
    found.out,
    /^\S+ \S+b#0 intent 0{31}2 team-a\/agent-2 spiffe:.* serial 0a0002 until \S+\n$/,
  )
  assert.equal((await countersign('find', '0a000', a, b)).code, 1)
})

suite('verify', () => {
  const hurts: readonly [string, (file: string) => Promise<unknown>, RegExp][] = [
    [
      'a record changed',
      (file) => edit(file, 'node-1', 'node-2'),
      /PROBLEM at record 0: ledger is damaged at octet 0/,
    ],
    [
      'the last record cut',
      (file) => lines(file, (all) => all.slice(0, -1)),
      /PROBLEM at record 3: records are missing: want≥4/,
    ],
    [
      'the last record torn',
      (file) => edit(file, /.{9}\n$/, ''),
      /PROBLEM at record 3: records are missing/,
    ],
    [
      'two records exchanged',
      (file) => lines(file, ([one, two, ...rest]) => [two ?? '', one ?? '', ...rest]),
      /PROBLEM at \S+checkpoint: the first 4 records are not those/,
    ],
    [
      'a result without its intent',
      (file) => lines(file, ([, two, ...rest]) => [two ?? '', ...rest]),
      /PROBLEM at record 0: result of record 0, which is not its open intent/,
    ],
    [
      'a tile changed',
      (file) => tile(file, (octets) => octets.fill(0)),
      /PROBLEM at \S+tile\/0\/000\.p\/4: tile is not the one/,
    ],
    [
      'a tile missing',
      (file) => rm(`${logFolderOf(file)}/tile`, { recursive: true }),
      /PROBLEM at \S+000\.p\/4: tile is missing/,
    ],
    [
      'a checkpoint changed',
      (file) => edit(`${logFolderOf(file)}/checkpoint`, '\n4\n', '\n3\n'),
      /PROBLEM at \S+checkpoint: signature of .* is not its own/,
    ],
    [
      'no checkpoint',
      (file) => rm(`${logFolderOf(file)}/checkpoint`),
      /PROBLEM at \S+checkpoint: no checkpoint, and a key/,
    ],
  ]
  for (const [title, hurt, place] of hurts) {
    test(`exits 1 and says where: ${title}`, async () => {
      requirement('ledger.verify-names-the-place')
      await using folder = await temporaryFolder()
      const { file, key } = await ledgerIn(folder.path, 'a', [issued(1, 0), issued(2, 1)])
      const before = await countersign('verify', file, '--key', key)
      assert.equal(before.code, 0, before.out)
      await hurt(file)
      const { code, out } = await countersign('verify', file, '--key', key)
      assert.equal(code, 1)
      assert.match(out, place)
    })
  }

  test('a whole new history is told by a checkpoint that was kept elsewhere, and by a witness', async () => {
    requirement('ledger.verify-names-the-place')
    await using folder = await temporaryFolder()
    const { file, key } = await ledgerIn(folder.path, 'a', [issued(1, 0), issued(2, 1)])
    const kept = join(folder.path, 'kept')
    await cp(`${logFolderOf(file)}/checkpoint`, kept)
    const witness = [
      '--witness-key',
      join(folder.path, 'w.pem'),
      '--witness-name',
      'w.example/1',
      '--make-key',
    ]
    const cosign = () =>
      countersign('cosign', file, '--key', key, ...witness, '--state', join(folder.path, 'state'))
    const { out, err } = await cosign()
    const witnessKey = err.replace('witness key: ', '').trim()
    const cosigned = join(folder.path, 'cosigned')
    await writeFile(cosigned, out)
    await ledgerIn(folder.path, 'a', [issued(3, 2)])
    assert.equal((await cosign()).code, 0, 'the log goes on')
    const seen = ['--checkpoint', kept, cosigned, '--witness', witnessKey]
    const good = await countersign('verify', file, '--key', key, ...seen)
    assert.equal(good.code, 0, good.out)
    assert.match(good.out, /cosigned: \S+, 4 records, signed, seen by w.example\/1/)
    const few = await countersign('verify', file, '--key', key, '--witness', witnessKey)
    assert.match(few.out, /witnesses: want≥1 on one checkpoint got=0/)
    assert.equal(few.code, 1)

    // Whoever has the volume and the key writes all of it anew: alone it verifies.
    await rm(file)
    await rm(logFolderOf(file), { recursive: true })
    await ledgerIn(folder.path, 'a', [issued(1, 0), issued(5, 1), issued(3, 2)])
    assert.equal((await countersign('verify', file, '--key', key)).code, 0)
    const bad = await countersign('verify', file, '--key', key, ...seen)
    assert.equal(bad.code, 1)
    assert.match(bad.out, /PROBLEM at \S+kept: the first 4 records are not those/)
    const refused = await cosign()
    assert.equal(refused.code, 1)
    assert.match(refused.err, /the log does not go on from what was seen: 6 records then, 6 now/)
  })

  test('a checkpoint that was named and is not there is told, whatever it is called', async () => {
    requirement('ledger.verify-names-the-place')
    await using folder = await temporaryFolder()
    const { file } = await ledgerIn(folder.path, 'a', [issued(1, 0)])
    for (const name of ['kept', 'copy.log/checkpoint', 'a.log/checkpoint']) {
      if (name.startsWith('a.')) await rm(logFolderOf(file), { recursive: true })
      const { code, out } = await countersign(
        'verify',
        file,
        '--checkpoint',
        join(folder.path, name),
      )
      assert.equal(code, 1, name)
      assert.match(out, /PROBLEM at \S+: checkpoint is not read: got=ENOENT/)
    }
    // Its own may be absent, but not hidden.
    await mkdir(join(logFolderOf(file), 'checkpoint'), { recursive: true })
    const { code, out } = await countersign('verify', file)
    assert.equal(code, 1)
    assert.match(out, /PROBLEM at \S+checkpoint: checkpoint is not read: got=not a regular file/)
  })

  test('a ledger of before, without a log, and one that is being written verify as they are', async () => {
    await using folder = await temporaryFolder()
    const { file } = await ledgerIn(folder.path, 'a', [issued(1, 0)])
    await rm(logFolderOf(file), { recursive: true })
    await appendFile(file, 'ab')
    const { code, out } = await countersign('verify', file)
    assert.equal(code, 0)
    assert.match(out, /2 records, root [0-9a-f]{64}\n {2}2 octets of a write that is not done/)
    assert.equal((await countersign('verify', join(folder.path, 'none'))).code, 1)
    assert.equal((await countersign('verify', file, '--key', 'x')).code, 1)
    assert.equal((await countersign('verify', file, '--quorum', '1')).code, 2)
  })
})

test('a proof is one to Go, and an exported log with its entries too', async (t) => {
  requirement('ledger.proofs-verify')
  requirement('ledger.published-as-log')
  await using folder = await temporaryFolder()
  const first = await ledgerIn(
    folder.path,
    'a',
    Array.from({ length: 3 }, (_, index) => issued(index, index)),
  )
  const { rootHash: oldRoot } = await proof(first.file, '--index', '0')
  const many = Array.from({ length: 140 }, (_, index) => issued(index + 3, 5))
  const { file, key } = await ledgerIn(folder.path, 'a', many)
  const go = await goLog()
  if (go === undefined) return t.diagnostic('Go is not here: its judgement is left out')
  const inclusion = await proof(file, '--index', '17')
  const { createHash } = await import('node:crypto')
  const leaf = createHash('sha256').update('\0').update(inclusion.entry).digest('hex')
  const consistency = await proof(file, '--from', '6')
  const { size, rootHash } = inclusion
  assert.equal(size, 286)
  assert.deepEqual(
    await go.proofs([
      `inclusion ${size} ${rootHash} 17 ${leaf} ${inclusion.proof.join(' ')}`,
      `consistency 6 ${oldRoot} ${size} ${rootHash} ${consistency.proof.join(' ')}`,
    ]),
    ['ok', 'ok'],
  )
  const text = await countersign('prove', file, '--index', '17')
  assert.match(
    text.out,
    /^c2sp\.org\/tlog-proof@v1\nindex 17\n(?:\S{44}\n)+\n\S+\n286\n\S{44}\n\n— \S+ \S+\n$/,
  )
  const out = join(folder.path, 'out')
  assert.equal((await countersign('export', file, out)).code, 0)
  assert.equal(await go.folder(key, out), `size=286 root=${rootHash} entries=286`)
  assert.equal((await countersign('export', file, out)).code, 1, 'nothing is written over')
  await edit(join(out, 'tile/entries/000'), 'node-1', 'node-2')
  await assert.rejects(go.folder(key, out), /entry 0 is not the one in the tree/)
  for (const options of [
    [],
    ['--index', '1', '--from', '1'],
    ['--index', '-1'],
    ['--index', 'x'],
  ]) {
    assert.equal((await countersign('prove', file, ...options)).code, 2)
  }
  assert.equal((await countersign('prove', file, '--index', '286')).code, 1)
})

test('records that are not those of the checkpoint are not exported, nothing is proved of them, and no witness signs them', async () => {
  requirement('ledger.published-as-log')
  await using folder = await temporaryFolder()
  const { file, key } = await ledgerIn(folder.path, 'a', [issued(1, 0), issued(2, 1)])
  await lines(file, ([one, two, ...rest]) => [two ?? '', one ?? '', ...rest])
  const out = join(folder.path, 'out')
  const { code, err } = await countersign('export', file, out)
  assert.equal(code, 1)
  assert.match(err, /the records are not those of the checkpoint/)
  await assert.rejects(stat(out), { code: 'ENOENT' })
  const state = join(folder.path, 'state')
  const witness = ['--witness-key', join(folder.path, 'w.pem'), '--witness-name', 'w.example/1']
  for (const words of [
    ['prove', file, '--index', '0'],
    ['prove', file, '--from', '1'],
    ['cosign', file, '--key', key, ...witness, '--make-key', '--state', state],
  ]) {
    const refused = await countersign(...words)
    assert.deepEqual([refused.code, refused.out], [1, ''])
    assert.match(refused.err, /the records are not those of the checkpoint/)
  }
  await assert.rejects(stat(state), { code: 'ENOENT' })
})

test('of two histories that come to a witness at once, one is signed', async () => {
  requirement('ledger.verify-names-the-place')
  await using folder = await temporaryFolder()
  const { file, key } = await ledgerIn(folder.path, 'a', [issued(1, 0)])
  const { file: fork } = await ledgerIn(folder.path, 'b', [issued(2, 0)])
  const state = join(folder.path, 'state')
  const witnessKey = join(folder.path, 'w.pem')
  await readLogKey(witnessKey, { make: true })
  const witness = ['--witness-key', witnessKey, '--witness-name', 'w.example/1', '--state', state]
  const cosign = (of: string) => countersign('cosign', of, '--key', key, ...witness)
  const codes = (await Promise.all([cosign(file), cosign(fork)])).map(({ code }) => code)
  assert.equal(codes.filter((code) => code === 0).length, 1)
  const before = await readFile(state, 'utf8')
  const lock = await acquireLock(`${state}.lock`, { now })
  for (const each of [file, fork]) assert.match((await cosign(each)).err, /ledger\/locked/)
  assert.equal(await readFile(state, 'utf8'), before)
  await lock.release()
  const [good, bad] = codes[0] === 0 ? [file, fork] : [fork, file]
  assert.equal((await cosign(good)).code, 0)
  assert.equal((await cosign(bad)).code, 1)
})

test('each request that no kubelet made is named from the audit log', async () => {
  requirement('ledger.requests-joined-with-audit-log')
  await using folder = await temporaryFolder()
  const { file } = await ledgerIn(
    folder.path,
    'a',
    [1, 2, 3, 4, 5, 6].map((index) => issued(index, index)),
  )
  const created = (index: number, username: string, changes: object = {}) => ({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    stage: 'ResponseComplete',
    verb: 'create',
    user: { username, groups: ['system:nodes', 'system:authenticated'] },
    objectRef: { resource: 'podcertificaterequests', namespace: 'team-a', name: `agent-${index}` },
    responseStatus: { code: 201 },
    responseObject: { metadata: { uid: `request-${index}`, name: `agent-${index}` } },
    requestReceivedTimestamp: '2026-11-22T10:00:00Z',
    ...changes,
  })
  const events = [
    created(1, 'system:node:node-1'),
    created(2, 'mallory'),
    created(3, 'system:node:node-2'),
    // No kubelet made it, whatever the name of the user says.
    created(4, 'system:node:node-1', { user: { username: 'system:node:node-1', groups: [] } }),
    // Another request that had this name before.
    created(5, 'system:node:node-1', { responseObject: { metadata: { uid: 'earlier' } } }),
    created(6, 'admin', {
      impersonatedUser: { username: 'system:node:node-1', groups: ['system:nodes'] },
    }),
    created(2, 'system:node:node-1', { responseStatus: { code: 403 } }),
    created(2, 'system:node:node-1', { verb: 'update' }),
    created(2, 'system:node:node-1', { stage: 'RequestReceived' }),
  ]
  const audit = join(folder.path, 'audit.log')
  await writeFile(
    audit,
    `${events.map((event) => JSON.stringify(event)).join('\n')}\nnot json\n{}\n`,
  )
  const { code, out } = await countersign('join', file, '--audit-log', audit)
  assert.equal(code, 1)
  assert.match(out, /agent-2 for pod agent on node-1: made by mallory \S+#2\n/)
  assert.match(out, /agent-3 .*: made by system:node:node-2 /)
  assert.match(out, /agent-4 .*: made by system:node:node-1 /)
  assert.match(out, /agent-5 .*: no event of its creation /)
  assert.match(out, /agent-6 .*: made by admin as system:node:node-1 /)
  assert.match(
    out,
    /\n6 requests, 1 of them from the kubelet of their node\n2 lines are no audit events\n$/,
  )
  const { file: good } = await ledgerIn(folder.path, 'b', [issued(1, 1)])
  assert.equal((await countersign('join', good, '--audit-log', audit)).code, 0)
  assert.equal((await countersign('join', good)).code, 2)
  assert.equal((await countersign('join', good, '--audit-log', `${audit}.none`)).code, 2)
})

interface Proof {
  readonly size: number
  readonly rootHash: string
  readonly entry: string
  readonly proof: readonly string[]
}

async function proof(file: string, ...options: string[]): Promise<Proof> {
  return JSON.parse((await countersign('prove', file, '--json', ...options)).out) as Proof
}

async function edit(file: string, from: string | RegExp, to: string): Promise<void> {
  await writeFile(file, (await readFile(file, 'latin1')).replace(from, to), 'latin1')
}

async function lines(file: string, change: (all: string[]) => string[]): Promise<void> {
  const all = (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  await writeFile(
    file,
    change(all)
      .map((line) => `${line}\n`)
      .join(''),
  )
}

async function tile(file: string, change: (octets: Buffer) => Buffer): Promise<void> {
  const path = `${logFolderOf(file)}/tile/0/000.p/4`
  await writeFile(path, change(await readFile(path)))
}
