//! The wording of a posting: titles and descriptions.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::samples::draw;
use crate::samples::fields::Profile;
use crate::samples::jobs::Job;

const TITLE_ENDINGS: &[&str] = &[
    "（双休）",
    "（五险一金）",
    "（包吃住）",
    "（急聘）",
    "（可实习）",
    "-就近分配",
    "（无经验可学）",
    "（提供住宿）",
];
const INTRODUCTIONS: &[&str] = &[
    "我们是一支务实的团队，因业务增长，现面向社会招聘",
    "公司经营稳健，办公环境良好，现诚聘",
    "因新项目启动，现补充人员，岗位为",
    "团队氛围简单，注重培养新人，现招聘",
    "本岗位为长期招聘，合适即可安排面试：",
];
const DUTY_HEADS: &[&str] = &["岗位职责：", "工作内容：", "【岗位职责】", "职位描述："];
const DEMAND_HEADS: &[&str] = &["任职要求：", "岗位要求：", "【任职资格】", "我们希望您："];
const OFFER_HEADS: &[&str] = &["我们提供：", "福利待遇：", "【薪资福利】"];
const OFFERS: &[&str] = &[
    "入职即签订劳动合同，依法缴纳社会保险",
    "试用期一至三个月，表现优秀可提前转正",
    "有带薪培训和清楚的晋升通道",
    "工资按月足额发放，不拖欠",
    "逢年过节有礼品，定期组织团队活动",
    "提供工作餐或餐补，外地员工可协助安排住宿",
    "交通便利，靠近公交站或地铁站",
    "多劳多得，超额部分另有奖励",
];
/// What long postings say of the employer.
const PORTRAITS: &[&str] = &[
    "公司成立多年，业务覆盖本市及周边地区，客户稳定。",
    "我们坚持把质量放在第一位，多次获得客户的书面表扬。",
    "团队平均年龄三十岁左右，沟通直接，没有复杂的层级。",
    "办公场所宽敞明亮，配有休息区、茶水间和停车位。",
    "公司重视安全与健康，每年安排体检和安全培训。",
    "每个季度评选优秀员工，奖励公开透明。",
    "新员工由老员工一对一带教，前两个月以学习为主。",
    "公司设有职工之家，可解决外地员工的临时住宿。",
    "我们与多所院校建立了实习合作，欢迎应届生了解。",
    "公司鼓励员工考取证书，取得后报销报名费用。",
    "近年来订单持续增长，正在筹建新的场地和班组。",
    "内部岗位优先从现有员工中选拔，转岗有培训支持。",
];
const CLOSINGS: &[&str] = &[
    "应聘过程不收取任何费用。",
    "合适者请直接投递简历，三个工作日内回复。",
    "面试请携带身份证与相关证书。",
    "期待您的加入！",
];

/// Benefits and how many of a thousand real postings name them.
const BENEFITS: &[(u32, &str)] = &[
    (207, "五险一金"),
    (163, "带薪年假"),
    (113, "年终奖"),
    (110, "节日福利"),
    (91, "定期体检"),
    (77, "员工旅游"),
    (68, "餐补"),
    (60, "零食下午茶"),
    (59, "股票期权"),
    (50, "补充医疗保险"),
    (38, "交通补助"),
    (37, "加班补助"),
    (30, "通讯补贴"),
    (30, "全勤奖"),
    (29, "周末双休"),
    (28, "免费班车"),
    (16, "住房补贴"),
    (14, "包吃"),
];
/// Quantiles of the number of benefits, measured where the platform has a place for them.
const BENEFIT_COUNT: [i64; 5] = [0, 1, 3, 5, 8];

/// Returns the words a platform puts on the posting.
pub(crate) fn title(rng: &mut StdRng, job: &Job, experienced: bool) -> String {
    let name = draw::pick(rng, job.titles);
    let senior = experienced && !name.starts_with("高级") && draw::happens(rng, 300);
    let ending = if draw::happens(rng, 180) { draw::pick(rng, TITLE_ENDINGS) } else { "" };
    format!("{}{name}{ending}", if senior { "资深" } else { "" })
}

/// What a description must say besides the work.
pub(crate) struct Terms<'a> {
    /// Education in words.
    pub(crate) education: &'a str,
    /// Experience in words.
    pub(crate) experience: &'a str,
    /// Pay in words.
    pub(crate) pay: &'a str,
    /// Schedule in words.
    pub(crate) schedule: &'a str,
    /// The place in words.
    pub(crate) place: &'a str,
}

/// Returns a description: some duties, some demands, perhaps what is offered.
pub(crate) fn description(
    rng: &mut StdRng,
    title: &str,
    job: &Job,
    profile: &Profile,
    terms: &Terms<'_>,
) -> String {
    let mut text = String::with_capacity(1_400);
    let style = Style { line_end: if draw::happens(rng, 700) { "\n" } else { "" } };
    if draw::happens(rng, 620) {
        let introduction = draw::pick(rng, INTRODUCTIONS);
        style.sentence(&mut text, &[introduction, title, "。"]);
    }
    if draw::happens(rng, 260) {
        let sentences = rng.random_range(2..=PORTRAITS.len());
        let portrait = draw::some_of(rng, PORTRAITS, sentences).concat();
        style.sentence(&mut text, &[&portrait]);
    }
    let duties = rng.random_range(3..=5);
    style.list(&mut text, draw::pick(rng, DUTY_HEADS), draw::some_of(rng, job.duties, duties));

    let demands = rng.random_range(2..=5);
    let mut wanted = draw::some_of(rng, profile.demands, demands);
    let first = format!("{}，{}", terms.education, terms.experience);
    let known = draw::some_of(rng, job.skills, 3).join("、");
    let second = format!("具备{known}等能力");
    wanted.insert(0, &first);
    wanted.insert(1, &second);
    style.list(&mut text, draw::pick(rng, DEMAND_HEADS), wanted);

    if draw::happens(rng, 720) {
        let offers = rng.random_range(1..=4);
        let mut offered = draw::some_of(rng, OFFERS, offers);
        let pay = format!("薪资{}", terms.pay);
        let hours = format!("工作时间：{}", terms.schedule);
        offered.insert(0, &pay);
        offered.push(&hours);
        style.list(&mut text, draw::pick(rng, OFFER_HEADS), offered);
    }
    if draw::happens(rng, 400) {
        style.sentence(&mut text, &["工作地点：", terms.place, "。"]);
    }
    if draw::happens(rng, 450) {
        let closing = draw::pick(rng, CLOSINGS);
        style.sentence(&mut text, &[closing]);
    }
    text
}

const NUMBERS: [&str; 9] = ["1、", "2、", "3、", "4、", "5、", "6、", "7、", "8、", "9、"];

/// Whether a platform keeps line breaks.
struct Style {
    line_end: &'static str,
}

impl Style {
    fn sentence(&self, text: &mut String, parts: &[&str]) {
        for part in parts {
            text.push_str(part);
        }
        text.push_str(self.line_end);
    }

    fn list(&self, text: &mut String, head: &str, items: Vec<&str>) {
        self.sentence(text, &[head]);
        let last = items.len();
        for (index, (number, item)) in NUMBERS.iter().zip(items).enumerate() {
            let end = if index + 1 == last { "。" } else { "；" };
            self.sentence(text, &[number, item, end]);
        }
    }
}

/// Returns the benefits that the platform lists.
pub(crate) fn benefits(rng: &mut StdRng) -> Vec<String> {
    let count = usize::try_from(draw::by_quantiles(rng, BENEFIT_COUNT)).unwrap_or_default();
    let mut named: Vec<&str> = Vec::with_capacity(count);
    for _ in 0..count {
        let benefit = draw::weighted(rng, BENEFITS, "五险一金");
        if !named.contains(&benefit) {
            named.push(benefit);
        }
    }
    named.into_iter().map(str::to_owned).collect()
}
