import { AUTHORITIES_VARIABLE } from '../../../agent/shared/authorities.ts';
import { OWNER_ANNOTATION, PLAN_ANNOTATION } from '../../../agent/shared/own-annotations.ts';
import type { Context } from '../../context.ts';
import { BrokerError } from '../../errors.ts';
import { namesOf, ownerOf, type InstanceId, type Names } from '../../names.ts';
import { createApi, type Api, type DeployEvent } from '../../tsuru/api.ts';
import type { App } from '../../tsuru/app.ts';
import { retryLocked } from '../../tsuru/locked.ts';
import type { Desired } from '../../plans/parameters.ts';
import { BIND_ENV_ANNOTATION, inForceAnnotations } from './accepted.ts';

/** Where the volume is in the unit: the agent expects it there. */
export const MOUNT_POINT = '/prometheus';
/** Of the app's variables, as Tsuru shows them. */
export const MANAGED_BY = 'prometheus-service';
export const USERNAME = 'prometheus';
/** Of a password: 144 bits. */
export const PASSWORD_BYTES = 18;

/** The image that the app was given last: Tsuru's API does not say. Without it: an instance of an earlier version. */
export const IMAGE_ANNOTATION = 'prometheus-service/image';
/** The last value of the parameter image, which Tsuru sends with each update. */
export const REQUESTED_IMAGE_ANNOTATION = 'prometheus-service/requested-image';
/** Tsuru keeps the events of a removed app: the last deploy of an earlier one of the same name. */
const EARLIER_DEPLOY_ANNOTATION = 'prometheus-service/earlier-deploy';
/**
 * Which creation has the app in hand: that which has made it, until another one adopts it. Without it, a creation that fails removes what
 * another broker has adopted, and the instance of a user who was reported 201 is gone (8 times in 8 tries, test/broker/brokers.test.ts).
 */
export const MAKER_ANNOTATION = 'prometheus-service/made-by';

/** The private variables of an instance's app. */
export const VARIABLES = { token: 'TSURU_TOKEN', username: 'GATEWAY_USERNAME', password: 'GATEWAY_PASSWORD' } as const;
/** The variable of private CAs: an instance lacks it only where the broker has some. */
export const AUTHORITIES = AUTHORITIES_VARIABLE.name;
/** All that the broker sets, or may set. */
export const OWN_VARIABLES = [...Object.values(VARIABLES), AUTHORITIES];

/** Who wants something, for the log. */
export interface Requester {
  readonly user: string;
  readonly eventId: string;
  readonly requestId: string;
}

/** One operation on one instance. */
export interface Operation {
  readonly context: Context;
  readonly id: InstanceId;
  readonly names: Names;
  readonly api: Api;
  readonly signal: AbortSignal;
  /** Retries what Tsuru has locked for another change, at most this long. */
  readonly locked: <T>(work: () => Promise<T>, patienceMs?: number) => Promise<T>;
  /** Does work once those that came before are done with these things. */
  readonly inTurn: <T>(things: readonly string[], work: () => Promise<T>) => Promise<T>;
}

/** What Tsuru, which waits 5 minutes, is given an answer in. */
export const ANSWER_LIMIT_MS = 280_000;

export function operationOn(context: Context, instance: string, signal: AbortSignal): Operation {
  const { clock, turns, service, tsuru } = context;
  const id = { service, instance };
  return {
    ...{ context, id, names: namesOf(id), api: createApi(tsuru, signal), signal },
    locked: (work, patienceMs) => retryLocked(work, { clock, signal, patienceMs }),
    inTurn: (things, work) => turns.take(things, signal, work),
  };
}

/** Ends a request that somebody waits for: at its limit, and when the broker stops. */
export function within({ ending }: Context, limitMs: number): AbortSignal {
  return AbortSignal.any([AbortSignal.timeout(limitMs), ending]);
}

/** Turns for changes of one instance. */
export function instanceTurn({ names }: Operation): string {
  return `instance:${names.part}`;
}

/** By its tag; by the annotation if the app got other tags since. */
export function ownerOfApp({ tags, annotations }: App): InstanceId | undefined {
  return ownerOf(tags) ?? ownerOf([annotations.get(OWNER_ANNOTATION) ?? '']);
}

export function isOwn({ id }: Pick<Operation, 'id'>, app: App): boolean {
  const owner = ownerOfApp(app);
  return owner?.service === id.service && owner.instance === id.instance;
}

/**
 * Whether an app has the token of an instance, which only the broker knows and gives: so it is the instance's, also where somebody replaced both
 * its tags and its annotation.
 */
export function hasOwnToken(
  variables: ReadonlyMap<string, string> | undefined,
  token: { readonly value: string } | undefined,
): boolean {
  return token !== undefined && token.value !== '' && variables?.get(VARIABLES.token) === token.value;
}

/** What an app has from the start. */
export function birthAnnotations(
  { names, context }: Operation,
  desired: Desired,
  earlier: DeployEvent | undefined,
): Record<string, string> {
  return {
    [OWNER_ANNOTATION]: names.tag,
    [IMAGE_ANNOTATION]: context.image,
    ...(desired.image === '' ? {} : { [REQUESTED_IMAGE_ANNOTATION]: desired.image }),
    ...(earlier === undefined ? {} : { [EARLIER_DEPLOY_ANNOTATION]: earlier.id }),
  };
}

/** The instance's own app; undefined if there is none, or a foreign one. */
export async function ownApp(operation: Operation): Promise<App | undefined> {
  const app = await operation.api.app(operation.names.part);
  return app !== undefined && isOwn(operation, app) ? app : undefined;
}

export function annotationsOf({ settings, plan, bindEnv }: Desired): Record<string, string> {
  return inForceAnnotations([settings, plan.name, bindEnv ? 'true' : '']);
}

/** The last deploy, if it is of this app and not of an earlier one of its name. */
export function deployOf({ annotations }: App, last: DeployEvent | undefined): DeployEvent | undefined {
  return last?.id === annotations.get(EARLIER_DEPLOY_ANNOTATION) ? undefined : last;
}

/** The service's plan that an app was last given; '' when it does not say. */
export function planNameOf({ annotations }: App): string {
  return annotations.get(PLAN_ANNOTATION) ?? '';
}

export function bindsGiveEnv({ annotations }: App): boolean {
  return annotations.get(BIND_ENV_ANNOTATION) === 'true';
}

/** The tags and the annotation that say whose an app is, as far as it lacks them; the label of the two tags comes last. */
export function missingMarks(
  { tags, annotations }: App,
  { tag, tags: own }: Names,
): { readonly tags?: readonly string[]; readonly annotations?: Readonly<Record<string, string>> } {
  const hasTags = own.every((name) => tags.includes(name));
  return {
    ...(hasTags ? {} : { tags: [...tags.filter((name) => !own.includes(name)), ...own] }),
    ...(annotations.get(OWNER_ANNOTATION) === tag ? {} : { annotations: { [OWNER_ANNOTATION]: tag } }),
  };
}

/** What of the annotations is not as it is desired. */
export function changedAnnotations(app: App, desired: Desired): Record<string, string> {
  return differing(app, annotationsOf(desired));
}

/** What of these annotations the app has not. */
export function differing({ annotations }: App, wanted: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => (annotations.get(name) ?? '') !== value));
}

/** How people and the broker reach an instance; '' while it has no address. */
export function addressOf(template: string, app: App): string {
  const unit = app.units.find(({ isReady, address }) => isReady && address !== '') ?? app.units[0];
  const url = withAddress(template, app.address).replaceAll('{unit}', unit?.address ?? '');
  const isWhole =
    (app.address !== '' || !template.includes('{address}')) && (unit !== undefined || !template.includes('{unit}'));
  return isWhole && URL.canParse(url) ? url : '';
}

/** Where an instance's agent answers; '' while there is no agent. */
export function agentAddressOf(template: string, app: App): string {
  // While Tsuru cannot list units, the router may still lead to one.
  const mayAnswer = app.unitsError !== '' || app.units.some(({ isReady }) => isReady);
  return mayAnswer ? addressOf(template, app) : '';
}

/** A 404 makes Tsuru ask again at the path of old brokers, or take an update for done; a 412 is shown as it is. */
export function appIsGone({ id: { service, instance }, names }: Operation): BrokerError {
  return new BrokerError(
    410,
    `The app ${names.part} of this instance is gone: run "tsuru service-instance-remove ${service} ${instance}" and add it again.`,
  );
}

/** A router with TLS lists its address with the scheme (kubernetes-router does), which then holds. */
function withAddress(template: string, address: string): string {
  const host = address.replace(/^\w+:\/\//, '').replace(/\/+$/, '');
  const scheme = address.slice(0, address.indexOf('://') + 1);
  const own = scheme === '' ? template : template.replace(/^\w+:(?=\/\/\{address\})/, scheme);
  return own.replaceAll('{address}', host);
}

export function belongsToSomebodyElse(what: string): BrokerError {
  return new BrokerError(
    // A 409 is reported in Tsuru's message, and the user would not read this sentence.
    400,
    `There is ${what} already, which belongs to somebody else: choose another name for the instance.`,
  );
}
