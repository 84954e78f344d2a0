import assert from 'node:assert/strict'
import { test } from 'node:test'
import { structuredHash } from '../../src/policy/structured-hash.ts'

/** OPA's own hasher, of these octets. */
const vectors: readonly (readonly [text: string, sha256: string])[] = [
  [
    '{ "b" : 1 , "a":[true,null,"x"] }',
    '54a65415ad370228851a1da4b31b6fd42dc58b19a50d35cae759325f7388ce64',
  ],
  [
    '{"n":[1.0,1e3,-0,12345678901234567890,0.10,1E+2]}',
    '012bac32d2730a1ac9564f4f4f868ee15d6cfc30413aa92e1cb1ea85c55f8d68',
  ],
  [
    '{"😀":1,"\uff21":2,"z":3,"é":4}',
    '731a95e3d97a0c5b013144b2abfdf6e530609ec08433463d1d2aedc7be24e3bb',
  ],
  [
    '{"s":"<a&b>\\u0008\\u000c\\n\\r\\t\\u0001\\u001f\\u007f\\u2028\\u2029\\/\\"\\\\"}',
    'fe4064395676770ad948eb240a7a0cb38564dac317a18acfd96f4ad61e1100d2',
  ],
  [
    '{"s":"\\ud800","t":"\\ud83d\\ude00"}',
    '20f499fd763b654866745dbc5b6de361ee424120355a548554bc7726547d268b',
  ],
  [
    '{"__proto__":{"x":1},"a":2}',
    '7c158980e2edf2d7af19a3947db16b89496f65904f3afec66faac72999e05ce9',
  ],
]

for (const [text, sha256] of vectors) {
  test(`${text} has the hash that OPA gives it`, () => {
    assert.equal(structuredHash(text, 'sha256'), sha256)
  })
}
