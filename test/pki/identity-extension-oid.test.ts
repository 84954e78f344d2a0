import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { parseIdentityExtensionOid } from '../../src/pki/identity-extension-oid.ts'
import { requirement } from '../requirements.ts'
import { readSourceFile } from '../support/source-tree.ts'

const production = { production: true }

test('in production the number is one’s own, and where there is none it is said how to get one', () => {
  requirement('pki.extension-is-ones-own')
  for (const [text, message] of [
    [undefined, 'identityExtensionOid: required in production'],
    [
      '1.3.6.1.4.1.32473.1',
      'identityExtensionOid: want=one of your own in production, got="1.3.6.1.4.1.32473.1", which is for examples',
    ],
    [
      '1.3.6.1.4.1.32473',
      'identityExtensionOid: want=one of your own in production, got="1.3.6.1.4.1.32473", which is for examples',
    ],
  ] as const) {
    assert.throws(() => parseIdentityExtensionOid(text, production), {
      code: 'pki/identity-extension-oid',
      message,
      hint: /private enterprise number.*docs\/OPERATING\.md#the-identity-extension/,
    })
  }
  assert.equal(
    parseIdentityExtensionOid('1.3.6.1.4.1.324731.1', production),
    '1.3.6.1.4.1.324731.1',
  )
})

test('outside production the example stands where nothing is said', () => {
  const development = { production: false }
  assert.equal(parseIdentityExtensionOid(undefined, development), '1.3.6.1.4.1.32473.1')
  assert.equal(parseIdentityExtensionOid('1.2.3', development), '1.2.3')
})

for (const text of [
  '',
  'x',
  '1',
  '1.40.1',
  '1.3.6.1.4.1.2147483648.1',
  '2.25.1',
  '1.3.06.1',
  '3.1.1',
]) {
  test(`${JSON.stringify(text)} is no number that everybody can read`, () => {
    for (const setting of [production, { production: false }]) {
      assert.throws(() => parseIdentityExtensionOid(text, setting), {
        code: 'pki/identity-extension-oid',
        message: `identityExtensionOid: want=an object identifier with numbers of at most 2147483647, outside 2.25, got=${JSON.stringify(text)}`,
      })
    }
  })
}

test('the command that the documentation gives makes a number that is taken, another one each time', () => {
  const { text } = readSourceFile('docs/OPERATING.md')
  const script = /^node -p "([^"\n]+)"$/m.exec(
    text.split('## The identity extension')[1] ?? '',
  )?.[1]
  assert.ok(script, 'want=a command')
  const made = [1, 2].map(() => execFileSync(process.execPath, ['-p', script]).toString().trim())
  for (const text of made) assert.equal(parseIdentityExtensionOid(text, production), text)
  assert.notEqual(made[0], made[1])
})
