/** Contestants that take turns: each is a server of its own, with a driver of its own, and figures of each round. */
import { join } from 'node:path'
import type { Setting } from '../gateway/contest.ts'
import { bundleContestant } from './bundle-contestant.ts'
import type { Driver, GoLoad, Load, Round, RoundOrder } from './go-load.ts'
import { openGoLoad } from './go-load.ts'
import { withMaterial, type BenchMaterial } from './material.ts'
import { cpuMicroseconds, residentMebibytes } from './process-figures.ts'

/** A server that runs; process 0 is none of which figures are wanted. */
export interface Started {
  readonly pid: number
  readonly port: number
  close(): Promise<void>
}

export interface Contestant extends Started {
  readonly name: string
  readonly folder: string
  readonly driver: Driver
  readonly rounds: (Round & { readonly cpuMicroseconds: number })[]
  /** Of all rounds, and of what was asked before. */
  calls: number
  residentMebibytes: number
}

export interface Contest {
  readonly material: BenchMaterial
  readonly go: GoLoad
  readonly list: readonly Contestant[]
  /** Starts a server with a folder of its own, and a driver to it. */
  add(
    name: string,
    start: (setting: Setting) => Promise<Started>,
    load: Partial<Load> & { readonly connections: number },
  ): Promise<Contestant>
  /** One after the other, and the other way round the next time: who comes first is at no advantage. */
  round(order: RoundOrder): Promise<void>
}

/** Opens a contest before an upstream in Go; undefined work is none where there is no Go. Everything ends with it. */
export async function withContest(
  o: {
    readonly callers: number
    readonly answer: string
    readonly answers: Readonly<Record<string, string>>
  },
  work: (contest: Contest, upstream: Started) => Promise<void>,
): Promise<void> {
  await withMaterial(o.callers, async (material) => {
    const go = openGoLoad(material.folder)
    if (go === undefined) return
    const { upstreamPem: credentialPem, bundlePem } = material
    const upstream = await go.serve({ ...o, credentialPem, bundlePem })
    const list: Contestant[] = []
    try {
      const program = await bundleContestant(material.folder)
      const contest = open({ material, go, list, program, upstreamPort: upstream.port })
      await work(contest, { pid: 0, ...upstream })
    } finally {
      for (const each of list) await each.driver.close()
      for (const each of list) await each.close()
      await upstream.close()
    }
  })
}

function open(o: {
  readonly material: BenchMaterial
  readonly go: GoLoad
  readonly list: Contestant[]
  readonly program: string
  readonly upstreamPort: number
}): Contest {
  const { material, go, list, program, upstreamPort } = o
  let rounds = 0
  return {
    material,
    go,
    list,
    async add(name, start, load) {
      const folder = join(material.folder, String(list.length))
      const { gatewayPem: credentialPem } = material
      const setting = { ...material, folder, program, credentialPem, upstreamPort }
      const started = await start(setting)
      const { callerPems: credentialPems, bundlePem } = material
      const { port } = started
      const driver = go.drive(name, {
        path: '/mcp/tools',
        ...load,
        credentialPems,
        bundlePem,
        port,
      })
      const figures = { rounds: [], calls: 0, residentMebibytes: 0 }
      const contestant: Contestant = { name, folder, driver, ...started, ...figures }
      list.push(contestant)
      return contestant
    },
    async round(order) {
      const inTurn = rounds % 2 === 0 ? list : list.toReversed()
      rounds += 1
      for (const each of inTurn) await round(each, order)
    },
  }
}

async function round(each: Contestant, order: RoundOrder): Promise<void> {
  const { pid, driver, rounds } = each
  const before = pid === 0 ? 0 : cpuMicroseconds(pid)
  const made = await driver.round(order)
  const after = pid === 0 ? 0 : cpuMicroseconds(pid)
  each.calls += made.requests
  each.residentMebibytes = pid === 0 ? 0 : residentMebibytes(pid)
  rounds.push({ ...made, cpuMicroseconds: (after - before) / made.requests })
}
