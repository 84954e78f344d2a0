import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { tellCalls } from './chapters/calls.ts'
import { tellDoctor } from './chapters/doctor.ts'
import { followIssued } from './chapters/issued.ts'
import { tellMishaps } from './chapters/mishaps.ts'
import { tellReleases } from './chapters/releases.ts'
import { tellRollouts } from './chapters/rollouts.ts'
import { startNode } from './rig/node.ts'
import { buildImages } from './stage/images.ts'
import { install } from './stage/install.ts'

test('the product in real pods, from an empty cluster to its removal', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-images-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const images = await buildImages(folder)
  await using node = await startNode({ images, onProgress: (line) => t.diagnostic(line) })
  const begun = performance.now()
  // One command on an empty cluster; nothing of what follows could be told without it.
  await install(node)
  t.diagnostic(`installed, and all pods Ready: ${Math.round(performance.now() - begun)} ms`)
  const issued = followIssued(node)
  await tellCalls(t, node)
  await issued.look()
  await tellDoctor(t, node)
  await tellMishaps(t, node)
  await issued.look()
  await tellRollouts(t, node)
  await issued.tell(t)
  await tellReleases(t, node)
})
