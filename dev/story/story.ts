import type { Ports } from './cast.ts'
import { actors } from './cast.ts'
import { callsChapter, directChapter, modelsChapter, ownChapter } from './calls.ts'
import { certificatesChapter, refusalsChapter } from './certificates.ts'
import { connectionsChapter, revocationChapter } from './connections.ts'
import { forgeriesChapter } from './forgeries.ts'
import { recordChapter } from './record.ts'
import type { OwnServer } from './own-server.ts'
import type { Chapter, World } from './world.ts'

/** What is told of a step once it has been checked. */
export interface Told {
  readonly chapter: string
  readonly step: string
  readonly ok: boolean
  /** What was seen, or what was wrong. */
  readonly detail: string
  readonly seconds: number
}

/** The whole story, in the order in which it is told. */
export function chaptersOf(ports: Ports, own?: OwnServer): readonly Chapter[] {
  return [
    certificatesChapter(actors(ports, own)),
    refusalsChapter,
    forgeriesChapter,
    callsChapter,
    ...(own === undefined ? [] : [ownChapter]),
    modelsChapter,
    directChapter,
    connectionsChapter,
    revocationChapter,
    recordChapter,
  ]
}

/** Takes the steps one after the other until the signal, tells each, and says whether all were as they should be. */
export async function tellStory(
  world: World,
  chapters: readonly Chapter[],
  options: { readonly tell: (told: Told) => void; readonly signal: AbortSignal },
): Promise<boolean> {
  const { tell, signal } = options
  let all = true
  for (const chapter of chapters) {
    for (const { title, check } of chapter.steps) {
      if (signal.aborted) return false
      const start = performance.now()
      const { ok, detail } = await outcomeOf(() => check(world))
      const seconds = (performance.now() - start) / 1000
      tell({ chapter: chapter.title, step: title, ok, detail, seconds })
      all &&= ok
    }
  }
  return all
}

async function outcomeOf(check: () => Promise<string>): Promise<{ ok: boolean; detail: string }> {
  try {
    return { ok: true, detail: await check() }
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
