/**
 * Writes the test vectors of docs/TXN-TOKEN.md: tokens as the product makes them, and each way in which one is wrong, made with the keys
 * of certificates that the product has issued. The keys are thrown away; every run makes others.
 *
 *     npx node test/token/make-vectors.ts
 */
import { createHash, createHmac, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { format, resolveConfig } from 'prettier'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import { sourceOf } from './parties.ts'
import type { KeyType } from '../../src/pki/subject-key.ts'
import { signOf } from '../../src/token/algorithm.ts'
import { createTokenSigner } from '../../src/token/sign.ts'
import { createTestAuthority, type TestLeaf } from '../support/test-authority.ts'
import type { Vector, VectorFile } from './vectors.ts'

const seconds = Date.UTC(2026, 10, 22, 9) / 1000
const trustDomain = 'agents.example'
const audience = 'spiffe://agents.example/ns/tools/sa/github'
const server = 'github'
const authority = createTestAuthority({ trustDomain, now: () => seconds * 1000 })

function gateway(keyType: KeyType, serviceAccount = 'countersign-gateway'): TestLeaf {
  return authority.issue({
    namespace: 'countersign-system',
    serviceAccount,
    role: 'tool-broker',
    keyType,
  })
}

const kinds: Readonly<Record<string, KeyType>> = {
  ES256: 'ECDSAP256',
  ES384: 'ECDSAP384',
  ES512: 'ECDSAP521',
  Ed25519: 'ED25519',
  PS256: 'RSA3072',
}
const gateways = new Map(Object.entries(kinds).map(([name, kind]) => [name, gateway(kind)]))
const peer = gateways.get('ES256') ?? gateway('ECDSAP256')
const stranger = gateway('ECDSAP256')
const agent = authority.issue({
  namespace: 'research',
  serviceAccount: 'reader',
  pod: 'reader-0',
  role: 'agent',
  tenant: 'acme',
  models: 'small,large',
  toolScopes: 'github:issues_*,files:read',
})
const nobody = authority.issue({ namespace: 'research', toolScopes: 'github:*' })

const called =
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"issues_create","arguments":'
const body = `${called}{"repository":"acme/handbook","title":"A map"}}}`
const prompt = '{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"review"}}'
const read =
  '{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"file:///guides/field"}}'

const task = '{"jsonrpc":"2.0","id":4,"method":"tasks/get","params":{"taskId":"task-1"}}'
const completing = (ref: string): string =>
  `{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"ref":${ref},"argument":{"name":"a","value":"b"}}}`
const ofPrompt = completing('{"type":"ref/prompt","name":"review"}')
const ofTemplate = completing('{"type":"ref/resource","uri":"file:///{path}"}')

interface Asked {
  readonly from?: TestLeaf
  readonly caller?: TestLeaf
  readonly body?: string
  readonly lifetimeSeconds?: number
  /** Of a task: the tool whose call it was. */
  readonly tool?: string
}

interface Body {
  readonly method: string
  readonly params: Readonly<Record<string, string>> & {
    readonly ref?: Readonly<Record<string, string>>
  }
}

/** What is asked for where it is no tool. */
function targetOf({ method, params }: Body): string | undefined {
  const { name, uri, taskId, ref } = params
  if (ref !== undefined) return ref['name'] ?? ref['uri']
  if (method.startsWith('tasks/')) return taskId
  return method.startsWith('resources/') ? uri : name
}

/** As the gateway makes it. */
function honest({
  from = peer,
  caller = agent,
  body: text = body,
  lifetimeSeconds = 10,
  tool,
}: Asked = {}): Promise<string> {
  const asked = JSON.parse(text) as Body
  const { method } = asked
  const isCall = method === 'tools/call'
  const [, octets = ''] = /"arguments":\s*(\{.*\})\s*\}\s*\}\s*$/s.exec(text) ?? []
  return createTokenSigner({
    credential: sourceOf(() => from.credential),
    now: () => seconds * 1000,
    lifetimeSeconds,
  }).sign({
    caller: caller.credential.svid,
    upstream: { server, spiffeId: parseSpiffeId(audience) },
    method,
    tool: isCall ? asked.params['name'] : tool,
    target: isCall ? undefined : targetOf(asked),
    argumentsSha256: createHash('sha256').update(octets).digest('base64url'),
    transactionId: '0190b9a2-7c1e-7d43-9c55-3f1f5b6a7c8d',
  })
}

type Json = Record<string, unknown>
type Claims = Json & { readonly tctx: Json; readonly cnf: Json }

const encoded = (text: string): string => Buffer.from(text).toString('base64url')

async function signed(header: object, payload: string, key: KeyObject): Promise<string> {
  const text = `${encoded(JSON.stringify(header))}.${payload}`
  const signature = await signOf(key)?.sign(text)
  if (signature === undefined) throw new TypeError('key of an unknown kind')
  return `${text}.${signature.toString('base64url')}`
}

const keyOf = ({ credential }: TestLeaf): KeyObject => createPrivateKey(credential.privateKeyPem)

/** An honest one with something changed before the gateway signs it. */
async function changed(
  change: (claims: Claims) => object | string,
  header: object = {},
  asked: Asked & { readonly key?: KeyObject } = {},
): Promise<string> {
  const token = await honest(asked)
  const claims = change(decodeJwt<Claims>(token))
  const payload = encoded(typeof claims === 'string' ? claims : JSON.stringify(claims))
  const { from = peer, key = keyOf(from) } = asked
  return signed({ ...decodeProtectedHeader(token), ...header }, payload, key)
}

const within =
  (change: (tctx: Json) => Json) =>
  (claims: Claims): object => ({
    ...claims,
    tctx: { ...claims.tctx, ...change(claims.tctx) },
  })

function without(name: string): (claims: Claims) => object {
  return (claims) => Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name))
}

async function hmac(): Promise<string> {
  const [header, payload] = (await changed((claims) => claims, { alg: 'HS256' })).split('.')
  const secret = peer.credential.chainPem
  const mac = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')
  return `${header}.${payload}.${mac}`
}

async function unsigned(): Promise<string> {
  const [header, payload] = (await changed((claims) => claims, { alg: 'none' })).split('.')
  return `${header}.${payload}.AA`
}

async function ofAnotherKey(): Promise<string> {
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return changed((claims) => claims, { jwk: publicKey.export({ format: 'jwk' }) }, { key })
}

async function altered(): Promise<string> {
  const [header, payload = '', signature] = (await honest()).split('.')
  const claims = Buffer.from(payload, 'base64url').toString().replace('"acme"', '"evil"')
  return `${header}.${encoded(claims)}.${signature}`
}

const thumbprintOf = ({ credential }: TestLeaf): string =>
  Buffer.from(credential.svid.sha256, 'hex').toString('base64url')

type Made = Pick<Vector, 'name' | 'want'> & Partial<Vector> & { readonly token: string }

async function all(): Promise<readonly Made[]> {
  const odd = `${called} {"n": 1722470400000000000, "x":1.0,\n"t":"\\u0041"} } }`
  const bare = body.replace(/,"arguments":.*$/, '}}')
  const bound = { 'x5t#S256': thumbprintOf(stranger) }
  const plain = await honest()
  const late = { iat: seconds, exp: seconds + 61 }
  return [
    ...(await Promise.all(
      [...gateways].map(async ([name, from]) => ({
        name: `signed with ${name}`,
        peer: name,
        token: await honest({ from }),
        want: 'valid' as const,
      })),
    )),
    { name: 'no arguments', body: bare, token: await honest({ body: bare }), want: 'valid' },
    {
      name: 'arguments as they stand',
      body: odd,
      token: await honest({ body: odd }),
      want: 'valid',
    },
    { name: 'a prompt', body: prompt, token: await honest({ body: prompt }), want: 'valid' },
    { name: 'a resource', body: read, token: await honest({ body: read }), want: 'valid' },
    ...(await Promise.all(
      Object.entries({
        'a task': task,
        'an argument of a prompt': ofPrompt,
        'a variable of a template': ofTemplate,
        'a prompt, with a URI beside its name': prompt.replace('}}', ',"uri":"x:y"}}'),
        'a resource, with a name beside its URI': read.replace('}}', ',"name":"x"}}'),
      }).map(async ([name, text]) => ({
        name,
        body: text,
        token: await honest({ body: text, ...(text === task ? { tool: 'issues_create' } : {}) }),
        want: 'valid' as const,
      })),
    )),
    {
      name: 'a caller without tenant and role',
      token: await honest({ caller: nobody }),
      want: 'valid',
    },
    { name: 'a minute of life', token: await honest({ lifetimeSeconds: 60 }), want: 'valid' },
    { name: 'four seconds after its end', now: seconds + 14, token: await honest(), want: 'valid' },
    {
      name: 'five seconds before its time',
      now: seconds - 5,
      token: await honest(),
      want: 'valid',
    },
    { name: 'no server is asked for', server: null, token: await honest(), want: 'valid' },
    {
      name: 'a claim that nobody knows',
      token: await changed((claims) => ({ ...claims, more: [1] })),
      want: 'valid',
    },

    { name: 'no token', token: '', want: 'malformed' },
    { name: 'two parts', token: (await honest()).replace(/\.[^.]*$/, ''), want: 'malformed' },
    { name: 'padding', token: `${await honest()}=`, want: 'malformed' },
    { name: 'a space behind it', token: `${await honest()} `, want: 'malformed' },
    {
      name: 'more than 8192 octets',
      token: await changed((claims) => ({ ...claims, more: 'x'.repeat(6200) })),
      want: 'malformed',
    },
    {
      name: 'typ of another token',
      token: await changed((claims) => claims, { typ: 'JWT' }),
      want: 'malformed',
    },
    { name: 'claims that are not JSON', token: await changed(() => '{'), want: 'malformed' },
    { name: 'claims that are an array', token: await changed(() => '[]'), want: 'malformed' },
    ...(await Promise.all(
      ['txn', 'sub', 'aud', 'iss', 'iat', 'exp', 'scope', 'req_wl', 'tctx', 'cnf'].map(
        async (name) => ({
          name: `without ${name}`,
          token: await changed(without(name)),
          want: 'malformed' as const,
        }),
      ),
    )),
    {
      name: 'iat with a fraction',
      token: await changed((claims) => ({ ...claims, iat: seconds + 0.5 })),
      want: 'malformed',
    },
    {
      name: 'exp as text',
      token: await changed((claims) => ({ ...claims, exp: String(seconds + 10) })),
      want: 'malformed',
    },
    {
      name: 'aud as a list',
      token: await changed((claims) => ({ ...claims, aud: [audience] })),
      want: 'malformed',
    },
    {
      name: 'scopes as text',
      token: await changed(within(() => ({ toolScopes: 'github:*' }))),
      want: 'malformed',
    },
    {
      name: 'a scope with two stars',
      token: await changed(within(() => ({ toolScopes: ['github:**'] }))),
      want: 'malformed',
    },
    {
      name: 'models as text',
      token: await changed(within(() => ({ models: 'small' }))),
      want: 'malformed',
    },
    {
      name: 'a pod without uid',
      token: await changed(within(() => ({ pod: { namespace: 'research', name: 'reader-0' } }))),
      want: 'malformed',
    },
    {
      name: 'a tool that is an empty text',
      body: prompt,
      token: await changed(
        within(() => ({ tool: '' })),
        {},
        { body: prompt },
      ),
      want: 'malformed',
    },
    {
      name: 'sub is no SPIFFE ID',
      token: await changed((claims) => ({ ...claims, sub: 'agent', req_wl: 'agent' })),
      want: 'malformed',
    },

    { name: 'alg none', token: await unsigned(), want: 'signature' },
    { name: 'HMAC with the certificate as secret', token: await hmac(), want: 'signature' },
    {
      name: 'alg of another curve',
      token: await changed((claims) => claims, { alg: 'ES384' }),
      want: 'signature',
    },
    { name: 'a key in its own header', token: await ofAnotherKey(), want: 'signature' },
    {
      name: 'signed by another gateway',
      token: await honest({ from: stranger }),
      want: 'signature',
    },
    { name: 'claims changed after it was signed', token: await altered(), want: 'signature' },
    {
      name: 'crit that nobody knows',
      token: await changed((claims) => claims, { crit: ['b64x'], b64x: true }),
      want: 'signature',
    },

    {
      name: 'x5t#S256 of another certificate',
      token: await changed((claims) => claims, bound),
      want: 'binding',
    },
    {
      name: 'cnf of another certificate',
      token: await changed((claims) => ({ ...claims, cnf: bound })),
      want: 'binding',
    },

    {
      name: 'iss is not the peer',
      token: await changed((claims) => ({ ...claims, iss: 'spiffe://agents.example/ns/a/sa/b' })),
      want: 'issuer',
    },
    {
      name: 'req_wl is somebody else',
      token: await changed((claims) => ({
        ...claims,
        req_wl: 'spiffe://agents.example/ns/a/sa/b',
      })),
      want: 'issuer',
    },
    {
      name: 'sub of another trust domain',
      token: await changed((claims) => ({
        ...claims,
        sub: 'spiffe://other.example/ns/a/sa/b',
        req_wl: 'spiffe://other.example/ns/a/sa/b',
      })),
      want: 'issuer',
    },

    {
      name: 'aud is another server',
      token: await changed((claims) => ({
        ...claims,
        aud: 'spiffe://agents.example/ns/tools/sa/files',
      })),
      want: 'audience',
    },
    {
      name: 'for a server of another name',
      server: 'gitlab',
      token: await honest(),
      want: 'audience',
    },

    {
      name: 'five seconds after its end',
      now: seconds + 15,
      token: await honest(),
      want: 'expired',
    },
    {
      name: 'six seconds before its time',
      now: seconds - 6,
      token: await honest(),
      want: 'expired',
    },
    {
      name: 'a life of 61 seconds',
      token: await changed((claims) => ({ ...claims, ...late })),
      want: 'expired',
    },
    {
      name: 'exp is iat',
      token: await changed((claims) => ({ ...claims, exp: claims['iat'] })),
      want: 'expired',
    },

    {
      name: 'for another method',
      body: body.replace('tools/call', 'prompts/get'),
      token: await honest(),
      want: 'call',
    },
    {
      name: 'for another tool',
      body: body.replace('issues_create', 'issues_close'),
      token: await honest(),
      want: 'call',
    },
    {
      name: 'one space more in the arguments',
      body: body.replace('{"repository"', '{ "repository"'),
      token: await honest(),
      want: 'call',
    },
    ...Object.entries({
      'arguments twice': body.replace('"arguments"', '"arguments":{},"arguments"'),
      'arguments again, in capitals': body.replace('}}}', '},"ARGUMENTS":{}}}'),
      'the method again, in capitals': body.replace('"method"', '"METHOD":"tools/list","method"'),
      'a second value behind it': `${body} {}`,
      'a name that is a number': body.replace('"issues_create"', '7'),
    }).map(([name, text]) => ({ name, body: text, token: plain, want: 'call' as const })),
    {
      name: 'for another prompt',
      body: prompt.replace('review', 'preview'),
      token: await honest({ body: prompt }),
      want: 'call',
    },
    {
      name: 'for another resource',
      body: read.replace('field', 'yield'),
      token: await honest({ body: read }),
      want: 'call',
    },
    {
      name: 'scope is another tool',
      token: await changed((claims) => ({ ...claims, scope: 'github:issues_close' })),
      want: 'call',
    },
    {
      name: 'a tool outside its scopes',
      token: await changed(within(() => ({ toolScopes: ['github:pulls_*'] }))),
      want: 'call',
    },
    {
      name: 'scopes of another server',
      token: await changed(within(() => ({ toolScopes: ['files:issues_create'] }))),
      want: 'call',
    },
    {
      name: 'a prompt without a scope of its server',
      body: prompt,
      token: await changed(
        within(() => ({ toolScopes: ['files:*'] })),
        {},
        { body: prompt },
      ),
      want: 'call',
    },
  ]
}

const made = await all()
const file: VectorFile = {
  version: 1,
  trustDomain,
  audience,
  server,
  now: seconds,
  peers: Object.fromEntries(
    [...gateways].map(([name, { credential }]) => [name, credential.chainPem]),
  ),
  vectors: made.map((each) => ({ peer: 'ES256', body, ...each })),
}
const path = join(import.meta.dirname, '../../examples/verifiers/vectors.json')
const style = await resolveConfig(path)
await writeFile(path, await format(JSON.stringify(file), { ...style, parser: 'json' }))
