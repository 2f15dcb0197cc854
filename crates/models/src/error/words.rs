//! What the codes and the words of an error stand for.

use longhaul_core::FaultKind;

/// What an error says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// What was asked for, or what came of it, is not allowed.
    Content,
    /// A quota is used up which no wait of a run gives back.
    UsedUp,
    /// The request is longer than this model, or this account, takes.
    TooLong,
    /// There is no such model, or it cannot do what is asked.
    Model,
    /// The key or the account is refused.
    Key,
    /// Too much was asked in a short time.
    Limited,
    /// The server has no room or no time.
    Busy,
    /// The request is at fault.
    Asked,
    /// The server is in trouble.
    Broken,
}

/// Where the words of a row are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In codes, types, the names of exceptions and the message.
    Anywhere,
    /// Not in the message: they are too common for that.
    Names,
}

/// Words in small letters and without signs, and what they say. The first row that fits counts: a quota that is used up is
/// no limit per minute. Google's message for each minute's quota speaks of the plan and of billing too, and counts tokens
/// in the name of a quota, so no such words are looked for in a message.
const WORDS: &[(Says, Place, &str)] = &[
    // DashScope's quota of the minute has the code of one that is used up.
    (Says::Limited, Place::Anywhere, "allocatedquotaexceeded secondaryratelimit"),
    (
        Says::Content,
        Place::Anywhere,
        "contentfilter contentpolicy contentmanagement contentblocked prohibitedcontent datainspection sensitivecontent \
         newsensitive responsibleai guardrail promptwasblocked 敏感",
    ),
    (
        Says::UsedUp,
        Place::Anywhere,
        "insufficientquota insufficientbalance insufficientcredit insufficientuserquota insufficientfunds creditbalance \
         budgethasbeenexceeded budgetexceeded nocredits outofcredits usedallavailablecredits includedcredits spendinglimit \
         spendlimit dailyallocation dailyfreeallocation apicallsmonth monthlyquota weeklyquota dailyquota monthlylimit \
         weeklylimit dailylimit usagelimit sessionlimit hityourlimit limitexhausted extrausageisrequired \
         usagecreditsarerequired exhausteditsfreetrial freetieronly resourcepackexhausted servicestoparrears setlimitexceeded \
         accountoverdue bymodelbyday tpdratelimit tpdlimitreached rpdlimitreached dailyrequestlimit blockedapiaccess \
         余额不足 额度不足 欠费",
    ),
    (
        Says::TooLong,
        Place::Anywhere,
        "contextlength contextwindow contextsize maximumcontext maxcontext contextoverflow exceedcontext prompttoolong \
         promptistoolong inputtoolong inputistoolong requesttoolarge tokenstoolong theinputtokencount prompttokencountof \
         maximumpromptlength maximummodellength maximumallowedlength maximuminputlength modeltokenlimit rangeofinputlength \
         reducethelengthof tokensintheprompt maxseqlen maxnewtokensmustbe inputsmusthavelessthan maxmessagetokens \
         inputtokensexceed 超长",
    ),
    (
        Says::Model,
        Place::Anywhere,
        "modelnotfound modelnotexist modeldoesnotexist modelnotsupported modelisnotsupported modelnotopen \
         modeldecommissioned modeldeprecated nosuchmodel unknownmodel unsupportedmodel unavailablemodel notavalidmodel \
         hasbeendecommissioned hasbeendeprecated endofitslife invalidendpointormodel deploymentnotfound \
         modelidentifierisinvalid ondemandthroughput resolvethefoundationmodel themodelthatyouprovided withthespecifiedmodel \
         operationnotsupported operationisunsupported noavailablechannel requiresjinja requiresenableautotoolchoice \
         doesnotsupporttool doesnotsupportfunction \
         doesnotsupportchat doesnotsupportimage doesnotsupportthinking litellmnotfound 模型不存在 无可用渠道",
    ),
    (
        Says::Key,
        Place::Anywhere,
        "notyetincludeaccess apikeynotvalid apikeyinvalid apikeyexpired invalidapikey incorrectapikey invalidxapikey \
         invalidauthentication authenticationerror authfailure tokenexpired loginfail locationisnotsupported \
         unsupportedcountry countryregionorterritory notavailableinyour organizationhasbeen organizationrestricted \
         organizationdisabled accounthasbeen accountdeactivated accountdisabled litellmpermission",
    ),
    (Says::Asked, Place::Anywhere, "doesnotsupport unexpectedendpoint fieldrequired"),
    (Says::UsedUp, Place::Names, "billing paymentrequired arrearage overdue exceededcurrentquota"),
    (
        Says::Limited,
        Place::Names,
        "ratelimit toomanyrequests resourceexhausted throttl quotaexceeded requestlimitexceeded serverlimitexceeded",
    ),
    (
        Says::Busy,
        Place::Names,
        "overloaded unavailable timeout deadlineexceeded badgateway cancelled modelnotready",
    ),
    (Says::Content, Place::Names, "moderation safety sensitive riskdetection illegal blocklist"),
    (
        Says::Key,
        Place::Names,
        "authentication unauthenticated unauthorized autherror apikey permission forbidden accessdenied",
    ),
    (Says::Model, Place::Names, "notfound notsupported notimplemented"),
    (
        Says::Asked,
        Place::Names,
        "badrequest invalid failedprecondition validation unsupported valueerror missing",
    ),
    (Says::Broken, Place::Names, "servererror internal"),
];

/// Words of a refusal that say that another model may do, of another account or this one; alone they make no refusal of an
/// error.
const OF_ACCOUNT: &str = "currentquota billing paymentrequired arrearage suspended credential operationnotallowed \
     modelaccessisdenied modeltermsrequired";
const OF_LENGTH: &str = "modelsupportsatmost exceedsthemodellimit";
const OF_MODEL: &str = "modelnotavailable modelisnotavailable invalidmodel toolcallisnotsupported";
/// The same, beside the word "model".
const OF_THIS_MODEL: &str = "doesnotexist notfound doesnotsupport notsupported notenabled";
/// Words that say that it is what was asked.
const OF_CONTENT: &str = "moderation safety flagged";
/// Words that say that it passes, whatever else a message says.
const PASSES: &str = "tryagain retry later temporar timedout timeout moment loading";
/// Words of a limit that begins anew while a run can wait.
const SOON: &str = "persecond perminute allocatedquota";

/// Numbers of providers: Workers AI's and AI Gateway's, and those of Zhipu, whose 1300 is a limit of Mistral's.
const CODES: &[(Says, &[u64])] = &[
    (Says::UsedUp, &[3036, 4006, 1113, 1304, 1308, 1309, 1310, 1313]),
    (Says::Model, &[5007, 1211, 1212, 1221, 1222]),
    (Says::Key, &[1110, 1111, 1112, 1121, 1220, 1311]),
    (Says::Content, &[1301, 2016, 2017]),
    (Says::TooLong, &[1261]),
    (Says::Asked, &[1210, 1213, 1214, 1215]),
    (Says::Limited, &[1302, 1303, 1305, 1312, 2003]),
];
/// MiniMax's, in `base_resp`.
const MINIMAX_CODES: &[(Says, &[u64])] = &[
    (Says::UsedUp, &[1008, 2056]),
    (Says::Key, &[1004, 2049]),
    (Says::Content, &[1026, 1027]),
    (Says::Asked, &[1042, 2013]),
    (Says::Limited, &[1002, 1039, 1041, 2045]),
];

pub(super) fn of_code(code: u64) -> Option<Says> {
    find_code(CODES, code)
}

pub(super) fn of_minimax_code(code: u64) -> Option<Says> {
    find_code(MINIMAX_CODES, code)
}

fn find_code(table: &[(Says, &[u64])], code: u64) -> Option<Says> {
    table.iter().find(|(_, codes)| codes.contains(&code)).map(|(says, _)| *says)
}

/// What the first row says that fits, among those whose words are looked for in this place.
pub(super) fn find(plain: &str, is_of: impl Fn(Says, Place) -> bool) -> Option<Says> {
    let mut rows = WORDS.iter().filter(|(says, place, _)| is_of(*says, *place));
    rows.find(|(_, _, words)| has_one(plain, words)).map(|(says, _, _)| *says)
}

/// Whether a refusal's words say that another model may do.
pub(super) fn is_of_model(plain: &str) -> bool {
    has_one(plain, OF_LENGTH) || kind_of_refusal(plain).is_some()
}

/// What a refusal is about by such words.
pub(super) fn kind_of_refusal(plain: &str) -> Option<FaultKind> {
    if has_one(plain, OF_ACCOUNT) {
        return Some(FaultKind::Unauthorized);
    }
    let is_of_model = has_one(plain, OF_MODEL) || plain.contains("model") && has_one(plain, OF_THIS_MODEL);
    is_of_model.then_some(FaultKind::UnknownModel)
}

pub(super) fn is_of_content(plain: &str) -> bool {
    has_one(plain, OF_CONTENT)
}

pub(super) fn passes(plain: &str) -> bool {
    has_one(plain, PASSES)
}

pub(super) fn is_soon(plain: &str) -> bool {
    has_one(plain, SOON)
}

/// Whether a limit is one of the day, which begins anew at midnight: OpenRouter's, and Google's by the names of its quotas.
/// Those of OpenAI and Groq give back by and by, and say how soon.
pub(super) fn is_of_the_day(plain: &str) -> bool {
    plain.contains("perday") && !plain.contains("againin")
}

/// Whether a limit is none at all: Google's for what a plan does not have.
pub(super) fn is_of_nothing(message: &str) -> bool {
    let mut after = message.split("limit: 0").skip(1);
    after.any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
}

fn has_one(plain: &str, words: &str) -> bool {
    words.split_ascii_whitespace().any(|word| plain.contains(word))
}

/// A text in small letters and without signs; what is no ASCII stays.
pub(super) fn plain(text: &str) -> String {
    let kept = text.chars().filter(|c| c.is_ascii_alphanumeric() || !c.is_ascii());
    kept.map(|c| c.to_ascii_lowercase()).collect()
}
