import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeName, serviceRange, nodeAddress, type Layout } from './layout.ts'
import type { Namespaces } from './namespaces.ts'

/** kubelet wants these of the whole machine: they are shown to it, and the machine keeps its own. */
const kernelSettings: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
}

async function commandsFor(layout: Layout): Promise<readonly (readonly string[])[]> {
  const shown = join(layout.configuration, 'kernel-settings')
  await mkdir(shown, { recursive: true })
  const settings: string[][] = []
  for (const [name, value] of Object.entries(kernelSettings)) {
    const file = join(shown, name.replaceAll('/', '.'))
    await writeFile(file, `${value}\n`)
    settings.push(['mount', '--bind', file, `/proc/sys/${name}`])
  }
  return [
    ['sh', '-c', `echo ${nodeName} >/proc/sys/kernel/hostname`],
    ['sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'],
    ['ip', 'link', 'set', 'lo', 'up'],
    ['ip', 'address', 'add', `${nodeAddress}/32`, 'dev', 'lo'],
    // The node's own processes reach Services, too: kube-proxy needs a route to rewrite.
    ['ip', 'route', 'add', serviceRange, 'dev', 'lo', 'src', nodeAddress],
    // Nothing outside of the folder can be written from here on, whoever tries.
    ['mount', '--bind', layout.folder, layout.folder],
    ['mount', '-o', 'remount,bind,ro', '/'],
    ['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run'],
    ['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/var/lib'],
    ['mount', '--bind', layout.podLogs, '/var/log'],
    ['mount', '--bind', join(layout.configuration, 'node-resolv.conf'), '/etc/resolv.conf'],
    ['mount', '--make-rshared', '/'],
    ...settings,
  ]
}

/** Makes bare namespaces into the inside of a node: a network, mounts and settings of its own. */
export async function furnish(namespaces: Namespaces, layout: Layout): Promise<void> {
  for (const [command = '', ...words] of await commandsFor(layout)) {
    const { code, stderr } = await namespaces.run(command, words)
    if (code !== 0) throw new Error(`${command} ${words.join(' ')}: ${stderr.trim()}`)
  }
}
