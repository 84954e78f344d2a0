import { stepNames, type Plan, type StepName } from './plan.ts'
import type { Line } from './clients.ts'

/** What a client can do with a server through the gateway. */
export interface Cell {
  /** The revision that the client speaks there; none where it could not connect. */
  readonly revision: string | undefined
  readonly works: readonly StepName[]
  readonly fails: readonly { readonly step: StepName | 'speaks'; readonly why: string }[]
}

/** Judges what a client said of one server: only steps of the plan count. */
export function judge(lines: readonly Line[], { tools, steps, shows }: Plan): Cell {
  const said = (step: string): Line | undefined => lines.find((line) => line.step === step)
  const speaks = said('speaks')
  if (speaks?.said === undefined) {
    const why = speaks?.failed ?? 'said nothing'
    return { revision: undefined, works: [], fails: [{ step: 'speaks', why }] }
  }
  const asked = stepNames.filter((step) => step === 'lists' || steps[step] !== undefined)
  const judged = asked.map((step) => ({ step, why: whyNot(step, said(step), { tools, shows }) }))
  return {
    revision: speaks.said,
    works: judged.filter(({ why }) => why === undefined).map(({ step }) => step),
    fails: judged.flatMap(({ step, why }) => (why === undefined ? [] : [{ step, why }])),
  }
}

function whyNot(
  step: StepName,
  line: Line | undefined,
  { tools, shows }: Pick<Plan, 'tools' | 'shows'>,
): string | undefined {
  if (line === undefined) return 'said nothing'
  const { said, failed } = line
  // How a client shows a refusal is its own affair: as an error, or as the answer.
  if (step === 'refuses') return shows.refuses?.test(failed ?? said ?? '') ? undefined : show(line)
  if (said === undefined) return show(line)
  const isRight = {
    lists: () => said.split(',').toSorted().join() === tools.toSorted().join(),
    calls: () => shows.calls?.test(said) === true,
    progress: () => Number(said) > 0,
    cancels: () => {
      const [ended, after = ''] = said.split(', then ')
      return ended === 'given up' && shows.calls?.test(after) === true
    },
    reads: () => shows.reads?.test(said) === true,
    prompts: () => shows.prompts?.test(said) === true,
  }[step]()
  return isRight ? undefined : show(line)
}

function show({ said, failed }: Line): string {
  return failed === undefined ? `said ${JSON.stringify(said)}` : `failed: ${failed}`
}
