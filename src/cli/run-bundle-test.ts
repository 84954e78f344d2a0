import { answerTest, type Question } from '../policy/self-test.ts'
import { endWithParent } from './bundle-process.ts'

/** Answers the one question of the process that has started this one. */
export async function runBundleTest(): Promise<void> {
  endWithParent()
  const asked = Promise.withResolvers<Question>()
  process.once('message', (question) => asked.resolve(question as Question))
  // What is sent before anybody listens may be lost, so it is asked for.
  process.send?.('ready')
  process.send?.(await answerTest(await asked.promise))
}
