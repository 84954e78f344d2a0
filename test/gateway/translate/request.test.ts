import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { requestToLegacy, requestToModern } from '../../../src/gateway/translate/request.ts'
import { requirement } from '../../requirements.ts'

const clientInfo = { name: 'a' }
const own =
  '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a"},"io.modelcontextprotocol/clientCapabilities":{}'

const toModern: readonly (readonly [what: string, body: string, want: string])[] = [
  ['no params', '{"id":1,"method":"m"}', `{"id":1,"method":"m","params":{"_meta":{${own}}}}`],
  [
    'no params before the end',
    ' {"method":"m" , "id":1 } ',
    ` {"method":"m" , "id":1,"params":{"_meta":{${own}}} } `,
  ],
  ['empty params', '{"params":{},"id":1}', `{"params":{"_meta":{${own}}},"id":1}`],
  [
    'params without _meta',
    '{"params":{ "name":"x"},"id":1}',
    `{"params":{"_meta":{${own}}, "name":"x"},"id":1}`,
  ],
  [
    'members of _meta',
    '{"params":{"_meta" : {"a":1.50,"io.modelcontextprotocol/related-task":{},"b":"\\u0041"}}}',
    `{"params":{"_meta" : {${own},"a":1.50,"b":"\\u0041"}}}`,
  ],
]

for (const [what, body, want] of toModern) {
  test(`to a modern server, with ${what}`, () => {
    assert.equal(
      requestToModern(Buffer.from(body), { clientInfo, capabilities: {} }).toString(),
      want,
    )
  })
}

const toLegacy: readonly (readonly [what: string, body: string, want: string])[] = [
  [
    'nothing but the envelope',
    `{"id":"x","params":{"_meta":{${own}}},"method":"m"}`,
    '{"id":7,"params":{"_meta":{}},"method":"m"}',
  ],
  [
    'what is no envelope',
    `{"params":{"_meta":{"progressToken":"p",${own}, "x/y":[1, 2]},"name":"n"},"id":1}`,
    '{"params":{"_meta":{"progressToken":"p","x/y":[1, 2]},"name":"n"},"id":7}',
  ],
  [
    'answers to the gateway alone',
    `{"id":1,"params":{"inputResponses":{"a":1} , "_meta":{${own}},"name":"n"}}`,
    '{"id":7,"params":{ "_meta":{},"name":"n"}}',
  ],
  [
    'the same behind it',
    `{"id":1,"params":{"_meta":{${own}} , "inputResponses":{"a":1},"name":"n"}}`,
    '{"id":7,"params":{"_meta":{},"name":"n"}}',
  ],
  [
    'a name of the envelope that is written with an escape',
    '{"id":1,"params":{"_meta":{"io.modelcontextprotocol\\u002flogLevel":"debug"}}}',
    '{"id":7,"params":{"_meta":{}}}',
  ],
]

for (const [what, body, want] of toLegacy) {
  test(`to a legacy server, with ${what}`, () => {
    assert.equal(requestToLegacy(Buffer.from(body), 7).toString(), want)
  })
}

/** JSON texts of any spelling: white space, escapes, numbers that no double holds. */
const spelled = fc
  .tuple(fc.json(), fc.constantFrom('', ' ', '\n\t'), fc.constantFrom('1e400', '-0.0', '"\\u0041"'))
  .map(([json, space, odd]) => `{"a"${space}:${space}${json},"b":[${odd} ,${space}${odd}]}`)

test('the octets of arguments are the same in either era', () => {
  requirement('gateway.eras-meet')
  const meta = fc.constantFrom('', '"_meta":{"a":1},', `"_meta":{${own}},`)
  fc.assert(
    fc.property(spelled, meta, (args, before) => {
      const body = Buffer.from(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${before}"name":"x","arguments":${args}}}`,
      )
      const there = [
        requestToModern(body, { clientInfo, capabilities: {} }),
        requestToLegacy(body, 7),
      ]
      for (const each of there) {
        assert.ok(each.includes(`"name":"x","arguments":${args}}}`))
        assert.deepEqual(
          (JSON.parse(each.toString()) as { params: { arguments: unknown } }).params.arguments,
          JSON.parse(args),
        )
      }
    }),
  )
})
