import { IN_PROGRESS } from './by-rows.js';
import { isRefusal, type Subject } from './claims.js';
import { identify, identifyLive, orUnavailable, UNAVAILABLE, type RotationContext } from './context.js';
import { judge } from './judge.js';
import { presentableUntil } from './lifetimes.js';
import type { LogoutOutcome, RefreshOutcome, TokenService } from './outcomes.js';
import { pair, replayedClaims } from './pairs.js';
import { dueTo, isMarked } from './policy.js';
import type { StateQuery, TokenCache, TokenState, TokenStore } from './ports.js';
import { granted, successorOf } from './reissue.js';
import type { Request } from './request.js';
import type { Revocations } from './revocation-ports.js';
import { createTokenService } from './service.js';
import { refusalOf } from './standing.js';
import { tooLarge } from './too-large.js';

/** What a preview works with: it can read rows and sign, and there is nothing in it that writes. */
export type PreviewParts = Pick<RotationContext, 'settings' | 'codec' | 'chain' | 'walks' | 'doubtful'> & {
  readonly store: Pick<TokenStore, 'readState' | 'canHold' | 'canonicalUserKey'>;
  readonly freshId: () => string;
  readonly monotonicMs: () => number;
};

/** One request that is judged: when it came, and by when its judgement is of use. */
export interface Moment {
  /** By the database's clock. */
  readonly arrivedAtUs: number;
  /** On `performance.now()`'s scale. */
  readonly deadlineMs: number;
}

/**
 * What this server would answer to one request, told from the rows and the user as they stand. It claims nothing, takes no
 * lock, asks no cache, and has no way to write (rule 50).
 *
 * The rows are read once. Asked again `asUnspent`, it answers from the same reading as if nobody had blacklisted the token.
 */
export class Preview {
  readonly #parts: PreviewParts;
  readonly #moment: Moment;
  readonly #looked = new Map<string, Promise<TokenState>>();
  #asked: StateQuery | undefined;
  #state: TokenState | undefined;

  constructor(parts: PreviewParts, moment: Moment) {
    this.#parts = parts;
    this.#moment = moment;
  }

  /** The token and the user that were looked up; undefined: none had to be. */
  get asked(): StateQuery | undefined {
    return this.#asked;
  }

  /** What was read; undefined: nothing needed to be. */
  get state(): TokenState | undefined {
    return this.#state;
  }

  service(asUnspent: boolean): TokenService {
    const context = this.#context(asUnspent);
    const read = createTokenService(() => context);
    return {
      refresh: (token, accepts = false) => orUnavailable(() => this.#refresh(context, token, accepts)),
      logout: (token) => orUnavailable(() => this.#logout(context, token)),
      // These two only read, whoever asks.
      verify: (token) => read.verify(token),
      slide: (token) => read.slide(token),
    };
  }

  async #refresh(context: RotationContext, token: string, accepts: boolean): Promise<RefreshOutcome> {
    const { arrivedAtUs, deadlineMs } = this.#moment;
    const subject = await identifyLive(context, token, 'refresh', arrivedAtUs);
    if (isRefusal(subject)) return subject;
    const { settings, chain } = context;
    const due = dueTo(settings.rotation, { marked: isMarked(subject.claims), accepts });
    const request: Request = {
      token,
      subject,
      arrivedAtUs,
      deadlineMs,
      accuses: false,
      trace: { met: false, read: true },
      span: undefined,
    };
    if (settings.maxSuccessorBytes !== undefined) {
      const refused = await tooLarge(context, request, due);
      if (refused !== undefined) return refused;
    }
    const state = await this.#read(context, subject);
    const judgement = judge(state, {
      arrivedAtUs,
      ownClaimAtUs: undefined,
      overlapped: false,
      graceUs: due === 'spend' ? settings.graceUs : 0,
      claimWaitUs: settings.requestTimeoutMs * 1000,
    });
    switch (judgement.kind) {
      case 'unspent':
        break;
      case 'replay': {
        if (state.freshClaims === null) return UNAVAILABLE;
        const { successor, claimedAtUs } = judgement;
        const claims = replayedClaims(context, request, successor, claimedAtUs);
        const keyIndex = chain.candidatesAfter(subject.jti).indexOf(successor.jti);
        const again = await pair(
          context,
          request,
          claims,
          successor,
          claimedAtUs,
          keyIndex,
          state.freshClaims,
        );
        return { ...again, replayed: true };
      }
      case 'in_progress':
        return due === 'spend' ? IN_PROGRESS : { kind: 'blacklisted' };
      case 'reuse':
        return { kind: 'blacklisted' };
      default:
        return judgement;
    }
    if (state.standing !== 'good') return refusalOf(state.standing);
    const { freshClaims } = state;
    if (freshClaims === null) return UNAVAILABLE;
    if (due !== 'spend') {
      const { freshId } = this.#parts;
      const successor =
        due === 'reissue' ? await successorOf(context, subject, freshId(), arrivedAtUs) : undefined;
      return granted(context, subject, {
        accessJti: freshId(),
        issuedAtUs: arrivedAtUs,
        successor,
        freshClaims,
      });
    }
    const jti = chain.successorOf(subject.jti);
    const claims = replayedClaims(context, request, { jti }, arrivedAtUs);
    const successor = { jti, token: await context.codec.sign(claims) };
    return pair(context, request, claims, successor, arrivedAtUs, 0, freshClaims);
  }

  async #logout(context: RotationContext, token: string): Promise<LogoutOutcome> {
    const subject = await identify(context, token, 'refresh', this.#moment.arrivedAtUs);
    if (isRefusal(subject)) return subject;
    if (!context.settings.tokenTables) return { kind: 'logged_out' };
    const { row, successor } = await this.#read(context, subject);
    const isOpen = row?.blacklistedAtUs === undefined || (successor !== undefined && !successor.blacklisted);
    return isOpen ? { kind: 'logged_out' } : { kind: 'blacklisted' };
  }

  #read(context: RotationContext, subject: Subject): Promise<TokenState> {
    const { jti, userKey, startSeconds, passwordHash } = subject;
    const candidates = context.chain.candidatesAfter(jti);
    const expiresAtSeconds = presentableUntil(subject, context.settings.names);
    const query = { jti, candidates, userKey, startSeconds, expiresAtSeconds, passwordHash };
    return context.store.readState(query, this.#moment.deadlineMs);
  }

  #context(asUnspent: boolean): RotationContext {
    const { store, monotonicMs, codec, settings, chain, walks, doubtful } = this.#parts;
    const { arrivedAtUs } = this.#moment;
    const readState = async (query: StateQuery): Promise<TokenState> => {
      const state = await this.#look(query);
      return asUnspent ? unspent(state) : state;
    };
    return {
      settings,
      codec,
      chain,
      walks,
      doubtful,
      monotonicMs,
      store: {
        canHold: (text) => store.canHold(text),
        canonicalUserKey: (userKey) => store.canonicalUserKey(userKey),
        takes: () => false,
        claim: nothingIsWritten,
        readState,
      },
      revocations: NO_REVOCATIONS,
      cache: NO_CACHE,
      outbox: undefined,
      reissuing: undefined,
      clock: { nowUs: () => arrivedAtUs },
      emit: () => undefined,
    };
  }

  /** The rows as they stand, read once. */
  async #look(query: StateQuery): Promise<TokenState> {
    let looking = this.#looked.get(query.jti);
    if (looking === undefined) {
      looking = this.#parts.store.readState(query, this.#moment.deadlineMs);
      this.#looked.set(query.jti, looking);
      this.#asked = query;
    }
    return (this.#state = await looking);
  }
}

const NOTHING_IS_WRITTEN = 'a preview writes nothing';

function nothingIsWritten(): Promise<never> {
  return Promise.reject(new Error(NOTHING_IS_WRITTEN));
}

function unspent(state: TokenState): TokenState {
  const { row } = state;
  return row === undefined
    ? state
    : { ...state, row: { id: row.id, blacklistedAtUs: undefined }, successor: undefined };
}

const NO_REVOCATIONS: Revocations = {
  as: () => {
    throw new Error(NOTHING_IS_WRITTEN);
  },
  find: nothingIsWritten,
  liveTokensOf: nothingIsWritten,
  openRowsOf: nothingIsWritten,
};

/** Knows nothing, and is told nothing. */
const NO_CACHE: TokenCache = {
  takesClaims: false,
  begin: nothingIsWritten,
  finish: () => undefined,
  noteDoubt: nothingIsWritten,
  claimed: () => undefined,
  noteSpent: () => undefined,
  forgetActive: () => undefined,
};
