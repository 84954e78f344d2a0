import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { KubeObject } from '../../../dev/control-plane/kube-object.ts'
import { ObjectStore, type StoreEvent } from '../../../dev/control-plane/object-store.ts'
import { configMaps } from '../../../dev/control-plane/resources/plain.ts'

function object(name: string): KubeObject {
  const metadata = { name, namespace: 'n', uid: name, resourceVersion: '', creationTimestamp: '' }
  return { metadata }
}

const command = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  kind: fc.constantFrom('put', 'delete', 'watch', 'stop'),
})

test('property: whoever watches from any kept revision can rebuild the state, and revisions only grow', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const store = new ObjectStore({ historyLength: 1000 })
      const all: StoreEvent[] = []
      store.watch(configMaps, (event) => all.push(event))
      const from = new Map<number, Set<string>>([[store.revision, new Set()]])
      for (const { name, kind } of commands) {
        const present = store.get(configMaps, 'n', name)
        if (kind === 'put') store.put(configMaps, present ?? object(name))
        if (kind === 'delete' && present !== undefined) store.delete(configMaps, present)
        from.set(
          store.revision,
          new Set(store.list(configMaps).map(({ metadata }) => metadata.name)),
        )
      }
      const revisions = all.map(({ revision }) => revision)
      assert.deepEqual(
        revisions,
        [...new Set(revisions)].toSorted((a, b) => a - b),
      )
      const expected = store.list(configMaps).map(({ metadata }) => metadata.name)
      for (const [revision, names] of from) {
        const state = new Set(names)
        for (const event of store.eventsSince(configMaps, revision) ?? []) {
          if (event.type === 'DELETED') state.delete(event.object.metadata.name)
          else state.add(event.object.metadata.name)
        }
        assert.deepEqual([...state].toSorted(), expected)
      }
    }),
  )
})

test('what the history has forgotten is not answered with a part of it', () => {
  const store = new ObjectStore({ historyLength: 5 })
  const start = store.revision
  for (let round = 0; round < 30; round += 1) store.put(configMaps, object('a'))
  assert.equal(store.eventsSince(configMaps, start), undefined)
  const recent = store.eventsSince(configMaps, store.revision - 5)
  assert.equal(recent?.length, 5)
  assert.deepEqual(store.eventsSince(configMaps, store.revision), [])
})

test('an object is found by its UID as long as it is there', () => {
  const store = new ObjectStore({ historyLength: 5 })
  const stored = store.put(configMaps, object('a'))
  assert.equal(store.byUid('a')?.object, stored)
  store.delete(configMaps, stored)
  assert.equal(store.byUid('a'), undefined)
  assert.equal(store.delete(configMaps, stored), stored)
})
