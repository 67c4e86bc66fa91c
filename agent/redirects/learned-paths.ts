import type { AppDiscovery, Discovery, Target } from '../discovery/discover.ts';
import { renderGroup } from '../discovery/target-group.ts';
import { placeOf, placeText, relabel, type Place } from './place.ts';

/** A path that a process redirects to, and which its targets get instead of the one that annotations or the job say. */
export interface LearnedPath {
  readonly app: string;
  readonly process: string;
  /** The path that annotations say, in one line: it was learned for this one, and no other. */
  readonly from: string;
  readonly to: Place;
  /** What was asked on the way, in order. */
  readonly asked: readonly string[];
}

/** By the key of their process. */
export type LearnedPaths = ReadonlyMap<string, LearnedPath>;

export function keyOf(app: string, process: string): string {
  return JSON.stringify([app, process]);
}

/** The path of a target before anything was learned. */
export function fromOf({ group }: Target): string {
  return placeText(placeOf(group.labels));
}

/** The same discovery, with the learned paths. Apps without one are the same objects. */
export function withLearnedPaths(discovery: Discovery, learned: LearnedPaths): Discovery {
  if (learned.size === 0) return discovery;
  const apps = discovery.apps.map((app) => ofApp(app, learned));
  return apps.every((app, index) => app === discovery.apps[index])
    ? discovery
    : { ...discovery, apps, groups: apps.flatMap(({ groups }) => groups) };
}

function ofApp(app: AppDiscovery, learned: LearnedPaths): AppDiscovery {
  const targets = app.targets.map((target): Target => {
    const path = learned.get(keyOf(app.known.app.name, target.unit.process));
    if (path?.from !== fromOf(target)) return target;
    return { ...target, group: { ...target.group, labels: relabel(target.group.labels, path.to) } };
  });
  if (targets.every((target, index) => target === app.targets[index])) return app;
  const groups = targets.map(({ group }) => group);
  return { ...app, targets, groups, texts: groups.map(renderGroup) };
}
