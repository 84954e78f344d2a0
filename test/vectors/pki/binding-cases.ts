import { ascii, hex, sequence, tlv } from '../../support/craft-certificate.ts'
import type { Vector } from './vector.ts'

/** The members of a WorkloadBinding, each replaceable. */
const good: Readonly<Record<string, Buffer>> = {
  version: hex('020101'),
  cluster: ascii(0x0c, 'test'),
  namespace: named('shop', 'u-1'),
  serviceAccount: named('agent', 'u-2'),
  pod: named('agent-0', 'u-3'),
  node: named('node-a.test', 'u-4'),
  issuanceId: tlv(0x04, Buffer.alloc(16, 1)),
  evidenceDigest: tlv(0x04, Buffer.alloc(32, 2)),
  policyDigest: tlv(0x04, Buffer.alloc(32, 3)),
  role: hex('800104'),
  tenant: ascii(0x81, 'acme'),
  models: list(0xa2, 'claude', 'llama-3'),
  toolScopes: list(0xa3, 'files:get', 'github:*'),
}

/** Values of the identity extension: the grammar of version 1, and one break of it at a time. */
export function bindingCases(): readonly Vector[] {
  return [...validBindings, ...brokenMembers, ...brokenLists, ...brokenShapes].map(
    ([name, message, parts]) => ({
      name,
      message,
      der: Buffer.isBuffer(parts) ? parts : sequence(...Object.values({ ...good, ...parts })),
    }),
  )
}

type Case = readonly [name: string, message: string, parts: Record<string, Buffer> | Buffer]

const nothing = hex('')
const whole = sequence(...Object.values(good))

const validBindings: readonly Case[] = [
  ['good', '', {}],
  [
    'good-without-options',
    '',
    { role: nothing, tenant: nothing, models: nothing, toolScopes: nothing },
  ],
  ['good-with-scopes-only', '', { role: nothing, tenant: nothing, models: nothing }],
  ['good-with-16-models', '', { models: list(0xa2, ...many(16, 'm')) }],
  ['good-with-claim', '', { claim: claim(ascii(0x0c, 'c'), ascii(0x0c, 'u-5')) }],
  ['good-with-longest-names', '', { pod: named('p'.repeat(253), 'u'.repeat(128)) }],
]

const brokenMembers: readonly Case[] = [
  ['version-0', 'version is not known, want=1 got=0', { version: hex('020100') }],
  ['version-2', 'version is not known, want=1 got=2', { version: hex('020102') }],
  ['version-padded', 'version is not an integer of 0..127', { version: hex('02020001') }],
  ['version-missing', 'version has the wrong tag, want=02 got=0c', { version: nothing }],
  ['cluster-empty', 'cluster is outside its grammar, got=""', { cluster: ascii(0x0c, '') }],
  ['cluster-with-newline', 'cluster is outside its grammar, got="a\\nb"', { cluster: ascii(0x0c, 'a\nb') }],
  ['cluster-not-ascii', 'cluster is not ASCII', { cluster: tlv(0x0c, hex('c3a9')) }],
  ['cluster-invalid-utf8', 'cluster is not ASCII', { cluster: tlv(0x0c, hex('61ff')) }],
  [
    'cluster-printable-string',
    'cluster has the wrong tag, want=0c got=13',
    { cluster: ascii(0x13, 'test') },
  ],
  [
    'namespace-of-64-characters',
    `namespace.name is outside its grammar, got="${'n'.repeat(64)}"`,
    { namespace: named('n'.repeat(64), 'u') },
  ],
  [
    'namespace-upper-case',
    'namespace.name is outside its grammar, got="Shop"',
    { namespace: named('Shop', 'u') },
  ],
  ['uid-empty', 'pod.uid is outside its grammar, got=""', { pod: named('agent-0', '') }],
  [
    'uid-of-129-octets',
    `pod.uid is outside its grammar, got="${'u'.repeat(80)}…"`,
    { pod: named('agent-0', 'u'.repeat(129)) },
  ],
  [
    'uid-with-nul',
    'node.uid is outside its grammar, got="a\\u0000"',
    { node: named('node-a', 'a\0') },
  ],
  [
    'named-with-third-member',
    'node has trailing octets, want=0 got=3',
    { node: sequence(ascii(0x0c, 'a'), ascii(0x0c, 'b'), ascii(0x0c, 'c')) },
  ],
  ['named-without-uid', 'node.uid is missing, want=0c', { node: sequence(ascii(0x0c, 'a')) }],
  [
    'issuance-id-of-15-octets',
    'issuanceId has the wrong length, want=16 got=15',
    { issuanceId: tlv(0x04, Buffer.alloc(15)) },
  ],
  [
    'evidence-digest-of-33-octets',
    'evidenceDigest has the wrong length, want=32 got=33',
    { evidenceDigest: tlv(0x04, Buffer.alloc(33)) },
  ],
  [
    'policy-digest-missing',
    'policyDigest has the wrong tag, want=04 got=80',
    { policyDigest: nothing },
  ],
  ['role-0', 'role is not known, want=1..5 got=0', { role: hex('800100') }],
  ['role-6', 'role is not known, want=1..5 got=6', { role: hex('800106') }],
  ['role-padded', 'role is not an integer of 0..127', { role: hex('80020004') }],
  [
    'claim-upper-case',
    'claim.name is outside its grammar, got="C"',
    { claim: claim(ascii(0x0c, 'C'), ascii(0x0c, 'u')) },
  ],
  ['claim-without-uid', 'claim.uid is missing, want=0c', { claim: claim(ascii(0x0c, 'c')) }],
  [
    'tenant-empty',
    'tenant is not a lower-case label value of 1..63 characters, got=""',
    { tenant: ascii(0x81, '') },
  ],
  [
    'tenant-upper-case',
    'tenant is not a lower-case label value of 1..63 characters, got="Acme"',
    { tenant: ascii(0x81, 'Acme') },
  ],
]

const brokenLists: readonly Case[] = [
  ['models-empty', 'models is missing, want=0c', { models: list(0xa2) }],
  [
    'models-descending',
    'models are not strictly ascending, got="claude"',
    { models: list(0xa2, 'llama', 'claude') },
  ],
  [
    'models-duplicate',
    'models are not strictly ascending, got="claude"',
    { models: list(0xa2, 'claude', 'claude') },
  ],
  ['models-17', 'models are too many, want=..16', { models: list(0xa2, ...many(17, 'm')) }],
  [
    'model-with-slash',
    'model is not a lower-case label value of 1..63 characters, got="org/m"',
    { models: list(0xa2, 'org/m') },
  ],
  [
    'scopes-33',
    'toolScopes are too many, want=..32',
    { toolScopes: list(0xa3, ...many(33, 's:t')) },
  ],
  [
    'scopes-descending',
    'toolScopes are not strictly ascending, got="files:get"',
    { toolScopes: list(0xa3, 'github:*', 'files:get') },
  ],
  [
    'scope-with-inner-star',
    'tool of a tool scope is not 1..128 characters of [A-Za-z0-9_.-] with at most one star at the end, got="github:*x"',
    { toolScopes: list(0xa3, 'github:*x') },
  ],
  [
    'scope-of-every-server',
    'server of a tool scope is not a lower-case label value of 1..63 characters, got="*:x"',
    { toolScopes: list(0xa3, '*:x') },
  ],
]

const brokenShapes: readonly Case[] = [
  ['empty', 'WorkloadBinding is missing, want=30', nothing],
  ['empty-sequence', 'version is missing, want=02', sequence()],
  [
    'role-after-tenant',
    'WorkloadBinding has trailing octets, want=0 got=3',
    { role: nothing, models: hex('800104'), toolScopes: nothing },
  ],
  [
    'role-twice',
    'WorkloadBinding has trailing octets, want=0 got=3',
    { tenant: hex('800104'), models: nothing, toolScopes: nothing },
  ],
  [
    'unknown-option-inside',
    'WorkloadBinding has trailing octets, want=0 got=3',
    { more: ascii(0x84, 'x') },
  ],
  [
    'claim-twice',
    'WorkloadBinding has trailing octets, want=0 got=10',
    {
      claim: claim(ascii(0x0c, 'c'), ascii(0x0c, 'u-5')),
      again: claim(ascii(0x0c, 'c'), ascii(0x0c, 'u-5')),
    },
  ],
  [
    'trailing-octets-after',
    'identity extension has trailing octets, want=0 got=2',
    Buffer.concat([whole, hex('0500')]),
  ],
  [
    'length-indefinite',
    'WorkloadBinding has an indefinite or oversized length',
    Buffer.concat([hex('3080'), whole.subarray(4), hex('0000')]),
  ],
  [
    'too-large',
    'identity extension is too large, want=..4096 got=4097',
    Buffer.alloc(4097, 0x30),
  ],
]

function named(name: string, uid: string): Buffer {
  return sequence(ascii(0x0c, name), ascii(0x0c, uid))
}

function claim(...members: readonly Buffer[]): Buffer {
  return tlv(0xa4, ...members)
}

function list(tag: number, ...members: readonly string[]): Buffer {
  return tlv(tag, ...members.map((member) => ascii(0x0c, member)))
}

function many(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(2, '0')}`)
}
