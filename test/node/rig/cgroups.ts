/** The control groups of one node: a folder of its name in each hierarchy that the machine has. */
import { existsSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../support/eventually.ts'

const mount = '/sys/fs/cgroup'

/** Version 2 has one hierarchy; version 1 has one for each controller. */
export const cgroupVersion: 1 | 2 = existsSync(join(mount, 'cgroup.controllers')) ? 2 : 1

const controllers = 'cpu cpuacct cpuset memory devices freezer blkio pids systemd'.split(' ')

function foldersOf(name: string): readonly string[] {
  if (cgroupVersion === 2) return [join(mount, name)]
  return controllers
    .map((controller) => join(mount, controller))
    .filter((path) => existsSync(path))
    .map((path) => join(path, name))
}

/** Where groups of a name stand: the runtime makes some in hierarchies that kubelet does not ask for. */
export function controlGroupsNamed(name: string): readonly string[] {
  const roots = readdirSync(mount).map((entry) => join(mount, entry))
  return [mount, ...roots].map((root) => join(root, name)).filter((path) => existsSync(path))
}

/** kubelet wants its root to be there in every hierarchy. */
export async function createControlGroups(name: string): Promise<void> {
  for (const path of foldersOf(name)) await mkdir(path, { recursive: true })
  if (cgroupVersion === 2) {
    const available = readFileSync(join(mount, name, 'cgroup.controllers'), 'utf8').trim()
    const enabled = available.split(' ').map((controller) => `+${controller}`)
    writeFileSync(join(mount, name, 'cgroup.subtree_control'), enabled.join(' '))
    return
  }
  // A new cpuset is empty, and nothing can run in it.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const all = readFileSync(join(mount, 'cpuset', file), 'utf8')
    writeFileSync(join(mount, 'cpuset', name, file), all)
  }
}

function removeTree(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(path, entry.name))
  }
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

/** A group is busy for a moment after its last process has ended. */
export async function removeControlGroups(name: string): Promise<void> {
  await eventually(
    `control groups ${name} empty`,
    () => controlGroupsNamed(name).every(removeTree),
    10,
  )
}
