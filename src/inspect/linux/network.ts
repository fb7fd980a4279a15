/** How a system sets up its network: by the files of the tools that Linux systems use for it. */

import type { SystemFacts } from '../contents.ts';
import type { FileTree } from '../file-tree.ts';
import { assignmentsOf, linesOf, MAX_TEXT } from './text.ts';

type Way = 'dhcp' | 'static';

/** Of one folder; a system has a handful. */
const MAX_FILES = 32;

/** What a tool's file says of each interface but the loopback. Files are read by their lines: no YAML, no includes. */
interface Tool {
  /** Files, or folders with a pattern for the names in them. */
  readonly places: readonly (readonly [path: string, names: RegExp | undefined])[];
  waysOf(lines: readonly string[]): readonly Way[];
}

const matching = (lines: readonly string[], pattern: RegExp): boolean =>
  lines.some((line) => pattern.test(line));
const either = (dhcp: boolean, fixed: boolean): Way[] => [
  ...(dhcp ? ['dhcp' as const] : []),
  ...(fixed ? ['static' as const] : []),
];

const tools: readonly Tool[] = [
  {
    // ifupdown: Debian, Alpine
    places: [
      ['/etc/network/interfaces', undefined],
      ['/etc/network/interfaces.d', /^[A-Za-z0-9_.-]+$/],
    ],
    waysOf: (lines) =>
      either(
        matching(lines, /^\s*iface\s+(?!lo\s)\S+\s+inet6?\s+(dhcp|auto)\b/),
        matching(lines, /^\s*iface\s+(?!lo\s)\S+\s+inet6?\s+static\b/),
      ),
  },
  {
    // netplan: Ubuntu
    places: ['/etc/netplan', '/usr/lib/netplan'].map((folder) => [folder, /\.yaml$/] as const),
    waysOf: (lines) =>
      either(
        matching(lines, /^\s*dhcp[46]\s*:\s*(true|yes|on)\b/i) ||
          matching(lines, /[{,]\s*dhcp[46]\s*:\s*(true|yes|on)\b/i),
        matching(lines, /^\s*addresses\s*:/) && !matching(lines, /^\s*dhcp4\s*:\s*(true|yes|on)\b/i),
      ),
  },
  {
    // NetworkManager's keyfiles
    places: ['/etc', '/usr/lib'].map(
      (root) => [`${root}/NetworkManager/system-connections`, /^[^.]/] as const,
    ),
    waysOf: (lines) => {
      const method = sectionsOf(lines).get('ipv4')?.get('method');
      const isLoopback = sectionsOf(lines).get('connection')?.get('type') === 'loopback';
      return either(method === 'auto' && !isLoopback, method === 'manual' && !isLoopback);
    },
  },
  {
    // systemd-networkd; what comes with it in /usr/lib is for containers
    places: [['/etc/systemd/network', /\.network$/]],
    waysOf: (lines) =>
      either(
        matching(lines, /^\s*DHCP\s*=\s*(yes|true|on|1|both|ipv4|v4)\s*$/i),
        matching(lines, /^\s*Address\s*=/),
      ),
  },
  {
    // ifcfg: network-scripts of Red Hat's systems, wicked of SUSE's
    places: ['/etc/sysconfig/network-scripts', '/etc/sysconfig/network'].map(
      (folder) => [folder, /^ifcfg-(?!lo$)[^~]+$/] as const,
    ),
    waysOf: (lines) => {
      const values = assignmentsOf(lines);
      const protocol = values.get('BOOTPROTO')?.toLowerCase() ?? '';
      const hasAddress = [...values.keys()].some((key) => /^IPADDR/.test(key));
      return either(/^dhcp|^bootp|^auto6?/.test(protocol), hasAddress && !protocol.startsWith('dhcp'));
    },
  },
];

/** `undefined` when no file says anything: a system may still ask for addresses by default, or leave it to cloud-init. */
export async function networkOf(tree: FileTree): Promise<SystemFacts['network']> {
  const ways = new Set<Way>();
  for (const tool of tools) {
    for (const [path, names] of tool.places) {
      const files =
        names === undefined
          ? [path]
          : (await tree.list(path)).filter((name) => names.test(name)).map((name) => `${path}/${name}`);
      for (const file of files.slice(0, MAX_FILES)) {
        const lines = linesOf(await tree.readFile(file, MAX_TEXT)).filter((line) => !/^\s*[#;]/.test(line));
        for (const way of tool.waysOf(lines)) ways.add(way);
      }
    }
  }
  const [way] = ways;
  return ways.size > 1 ? 'mixed' : way;
}

/** `[section]` and `key=value` lines below it. */
function sectionsOf(lines: readonly string[]): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of lines) {
    const title = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
    if (title !== undefined) {
      section = new Map();
      sections.set(title, section);
      continue;
    }
    const at = line.indexOf('=');
    if (at > 0) section.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return sections;
}
