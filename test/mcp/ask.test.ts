import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAsk } from '../../src/mcp/ask.ts'
import { requirement } from '../requirements.ts'

const asked = (method: string, params: object | string, around = ''): string =>
  `{${around}"method":"${method}","params":${typeof params === 'string' ? params : JSON.stringify(params)}}`

const elicit = (params: object): string => asked('elicitation/create', params)
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } }
const page = (url: unknown): string => elicit({ mode: 'url', message: 'Log in', url })
const method = 'elicitation/create'

const read: readonly (readonly [text: string, ask: object])[] = [
  [elicit(form), { method, mode: 'form' }],
  [elicit({ ...form, mode: 'form' }), { method, mode: 'form' }],
  [page('https://login.example'), { method, mode: 'url', host: 'login.example' }],
  [page('https://Login.Example:443/a?b=%2F#c'), { method, mode: 'url', host: 'login.example' }],
  [page('https://a.b.example:8443/@x:y'), { method, mode: 'url', host: 'a.b.example:8443' }],
  [page('https://127.0.0.1?x'), { method, mode: 'url', host: '127.0.0.1' }],
  [
    asked('sampling/createMessage', { messages: [], maxTokens: 5 }),
    { method: 'sampling/createMessage', tools: false },
  ],
  [
    asked('sampling/createMessage', { messages: [], tools: [] }),
    { method: 'sampling/createMessage', tools: true },
  ],
  [
    asked('sampling/createMessage', { messages: [], toolChoice: {} }),
    { method: 'sampling/createMessage', tools: true },
  ],
  ['{"method":"roots/list"}', { method: 'roots/list' }],
  [asked('roots/list', {}, '"jsonrpc":"2.0","id":7,'), { method: 'roots/list' }],
]

test('what a server asks is read as far as it is decided on', () => {
  for (const [text, ask] of read) assert.deepEqual(parseAsk(Buffer.from(text)), ask, text)
})

const urlsToElsewhere = [
  'http://login.example/',
  'https:login.example',
  'https:/login.example/',
  'https:\\\\login.example',
  'https://login.example\\@evil.example/',
  'https://login.example@evil.example/',
  'https://user:word@login.example/',
  'https://@login.example/',
  ' https://login.example/',
  'https://login.example /',
  'https://login.example/\n',
  'https://lo\tgin.example/',
  'https://login.example%2eevil.example/',
  'https://login.example:0443/',
  'https://login.example:99999/',
  'https://login.example:/',
  'https://login。example/',
  'https://lögin.example/',
  'https://login.example/ä',
  'https://[::1]/',
  'https://127.1/',
  'https://0x7f.0.0.1/',
  'https://2130706433/',
  'https://login.example./',
  'https://xn--zzzz-/',
  'https://',
  'https:///login.example',
  'javascript:alert(1)',
  `https://login.example/${'x'.repeat(2048)}`,
  7,
  undefined,
]

test('a page is of a host that every reader of its URL goes to, over https', () => {
  requirement('gateway.asks-decided')
  for (const url of urlsToElsewhere) {
    const text = page(url)
    assert.equal(parseAsk(Buffer.from(text)), 'url of an elicitation is no plain https URL', text)
  }
})

const unread: readonly (readonly [text: string, why: RegExp])[] = [
  [asked('tools/call', {}), /asked of no client/],
  [asked('ping', {}), /asked of no client/],
  ['{"method":7}', /asked of no client/],
  ['{}', /asked of no client/],
  ['[]', /not read/],
  ['"x"', /not read/],
  [asked('roots/list', '[]'), /params of what is asked is no object/],
  [asked('roots/list', 'null'), /params of what is asked is no object/],
  [asked('elicitation/create', { ...form, task: { ttl: 1 } }), /as a task/],
  [elicit({ ...form, mode: 'voice' }), /neither form nor url/],
  [elicit({ ...form, mode: null }), /neither form nor url/],
  [elicit({ ...form, message: 7 }), /message of an elicitation/],
  [elicit({ message: 'Who?' }), /no schema/],
  [elicit({ ...form, requestedSchema: true }), /no schema/],
  [elicit({ ...form, url: 'https://login.example' }), /a form has a url/],
  [elicit({ ...form, mode: 'url', url: 'https://login.example' }), /a page has a schema/],
  [elicit({ ...form, Mode: 'url' }), /resembles a known one/],
  [elicit({ ...form, URL: 'https://evil.example' }), /resembles a known one/],
  [asked('roots/list', '{"t\\u0061sk":{}}'), /resembles a known one/],
  ['{"method":"roots/list","Params":{"task":{}}}', /resembles a known one/],
  ['{"method":"roots/list","method":"elicitation/create"}', /a second member/],
  [asked('elicitation/create', '{"message":"a","message":"b"}'), /a second member/],
  [elicit({ ...form, message: 'x'.repeat(65_536) }), /too long/],
  [elicit({ ...form, requestedSchema: { enum: 'x'.repeat(65_536) } }), /too long/],
  [asked('sampling/createMessage', `{"a":${'['.repeat(80)}${']'.repeat(80)}}`), /nesting too deep/],
]

test('what two clients could read differently, or too much of it, is not asked', () => {
  requirement('gateway.asks-decided')
  for (const [text, why] of unread) {
    const ask = parseAsk(Buffer.from(text))
    assert.ok(typeof ask === 'string', text)
    assert.match(ask, why)
  }
})
