import assert from 'node:assert/strict'
import { test } from 'node:test'
import { passesAcross } from '../../../src/gateway/translate/notification.ts'

test('progress passes, whatever was asked for', () => {
  for (const era of ['modern', 'legacy'] as const) {
    assert.ok(passesAcross({ method: 'notifications/progress' }, { era, level: undefined }))
  }
})

for (const [level, of, passes] of [
  [undefined, 'emergency', false],
  ['loud', 'emergency', false],
  ['info', 'debug', false],
  ['info', 'info', true],
  ['info', 'error', true],
  ['info', 'loud', false],
] as const) {
  test(`a message of level ${of} is ${passes ? '' : 'not '}told to who asks for ${level}`, () => {
    const message = { method: 'notifications/message', params: { level: of } }
    assert.equal(passesAcross(message, { era: 'modern', level }), passes)
    assert.ok(passesAcross(message, { era: 'legacy', level }))
  })
}

test('nothing else passes', () => {
  for (const method of ['notifications/tools/list_changed', 'notifications/x']) {
    for (const era of ['modern', 'legacy'] as const) {
      assert.ok(!passesAcross({ method }, { era, level: 'debug' }))
    }
  }
})
