import type { KnownApp, KnownApps, Unit } from '../discovery/known-apps.ts';
import { UNIT_LABEL, validValue } from '../discovery/labels.ts';
import type { TargetGroup } from '../discovery/target-group.ts';
import type { ListedApp } from './answers.ts';

/** Units in these statuses stay in the list for minutes after they ended, with an address that may belong to another unit by then. */
const ENDED = ['stopped', 'succeeded'];

interface Holder {
  readonly app: string;
  readonly unit: Unit;
}

/** What is known without the units whose address belongs to another one by now, and a sentence about each. */
export interface Released {
  readonly known: KnownApps;
  readonly problems: readonly string[];
}

/**
 * Drops units that are only kept, as their app's units are unknown or the app is missing from the list, once the list shows their address at
 * another unit: a pod's address may belong to another team's app seconds after the pod ended. What is unknown is kept, but this is known.
 */
export function releaseReused(known: KnownApps, listed: ReadonlyMap<string, ListedApp>): Released {
  const holders = holdersIn(listed);
  const next = new Map(known);
  const problems: string[] = [];
  for (const [name, app] of known) {
    const isKept = listed.get(name)?.units.kind !== 'known';
    if (app.formerTeam !== undefined || (!isKept && app.fromTargetFile === undefined)) continue;
    const release = (unit: string, holder: Holder): void => {
      problems.push(
        `${name}: ${unit} is no longer scraped, as its address is that of ${nameOf(holder.unit)} of ${holder.app} now`,
      );
    };
    const released = withoutReused(name, app, isKept, holders, release);
    if (released !== app) next.set(name, released);
  }
  return { known: problems.length === 0 ? known : next, problems };
}

function withoutReused(
  name: string,
  app: KnownApp,
  isKept: boolean,
  holders: ReadonlyMap<string, Holder>,
  release: (unit: string, holder: Holder) => void,
): KnownApp {
  const units = app.units.filter((unit) => {
    const holder = isKept ? holders.get(addressOf(unit)) : undefined;
    const isReused = holder !== undefined && !(holder.app === name && nameOf(holder.unit) === nameOf(unit));
    if (isReused) release(nameOf(unit), holder);
    return !isReused;
  });
  const { fromTargetFile, ...rest } = app;
  const groups = fromTargetFile?.filter((group) => {
    const holder = holderOf(group, holders);
    const isReused = holder !== undefined && !(holder.app === name && isOf(group, holder.unit));
    if (isReused) release(group.labels[UNIT_LABEL] ?? 'a unit', holder);
    return !isReused;
  });
  const isSame = units.length === app.units.length && groups?.length === fromTargetFile?.length;
  if (isSame) return app;
  return { ...rest, units, ...(groups === undefined ? {} : { fromTargetFile: groups }) };
}

/** The listed unit at each address. Of an app whose units are unknown, nothing is listed. */
function holdersIn(listed: ReadonlyMap<string, ListedApp>): ReadonlyMap<string, Holder> {
  const holders = new Map<string, Holder>();
  for (const [app, { units }] of listed) {
    if (units.kind === 'unknown') continue;
    for (const unit of units.units) {
      const address = addressOf(unit);
      if (address !== '' && !ENDED.includes(unit.status.toLowerCase())) holders.set(address, { app, unit });
    }
  }
  return holders;
}

/** A pod's own address, or host and port of older provisioners, where units share a host. */
function addressOf({ internalIp, hostPort }: Unit): string {
  return internalIp || hostPort;
}

function holderOf({ targets }: TargetGroup, holders: ReadonlyMap<string, Holder>): Holder | undefined {
  const [address = ''] = targets;
  return holders.get(address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')) ?? holders.get(address);
}

function isOf({ targets, labels }: TargetGroup, unit: Unit): boolean {
  const label = labels[UNIT_LABEL] ?? '';
  const [address = ''] = targets;
  const name = validValue(nameOf(unit));
  return label === name || label === address || label === `${name} (${address})`;
}

function nameOf({ name, id }: Unit): string {
  return name || id;
}
