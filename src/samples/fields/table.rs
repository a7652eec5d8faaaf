//! The fields of work, one row each.
//!
//! Shares called measured are those of 25,259 real postings of three Chinese platforms (2019, searches
//! for technical work in four large cities), in hundredths of a per cent. That set has hardly any manual
//! work, so the other shares and the percentages of pay are set by hand.

use crate::pb::peshub::postings::v1::EducationLevel::{
    Any, Bachelor, Doctor, LowerSecondary, Master, ShortTertiary, UpperSecondary, Vocational,
};
use crate::pb::peshub::postings::v1::EmploymentType::{
    Apprenticeship, Dispatch, Freelance, FullTime, Gig, Internship, PartTime, Seasonal, Task,
    Temporary,
};
use crate::pb::peshub::postings::v1::{EducationLevel, EmploymentType, Shift};
use crate::samples::fields::{Experience, Profile};

/// Measured: 本科 (with 统招), 大专, 不限, 硕士, 博士, 中专, 高中.
const MEASURED_EDUCATION: &[(u32, EducationLevel)] = &[
    (7406, Bachelor),
    (1736, ShortTertiary),
    (628, Any),
    (156, Master),
    (5, Doctor),
    (5, Vocational),
    (3, UpperSecondary),
];
const SKILLED_EDUCATION: &[(u32, EducationLevel)] =
    &[(36, Bachelor), (46, ShortTertiary), (8, Any), (8, Vocational), (2, Master)];
const MIXED_EDUCATION: &[(u32, EducationLevel)] =
    &[(12, Bachelor), (44, ShortTertiary), (24, Any), (12, Vocational), (8, UpperSecondary)];
const OPEN_EDUCATION: &[(u32, EducationLevel)] =
    &[(60, Any), (22, LowerSecondary), (10, UpperSecondary), (8, Vocational)];

/// Measured over the postings that state pay and experience.
const MEASURED_EXPERIENCE: &[(u32, Experience)] = &[
    (3970, Experience::ThreeToFive),
    (2980, Experience::OneToThree),
    (1590, Experience::FiveToTen),
    (1150, Experience::Any),
    (200, Experience::UnderOne),
    (80, Experience::Graduate),
    (20, Experience::FromTen),
];
const MIXED_EXPERIENCE: &[(u32, Experience)] = &[
    (36, Experience::Any),
    (34, Experience::OneToThree),
    (17, Experience::ThreeToFive),
    (5, Experience::UnderOne),
    (4, Experience::Graduate),
    (4, Experience::FiveToTen),
];
const OPEN_EXPERIENCE: &[(u32, Experience)] = &[
    (68, Experience::Any),
    (20, Experience::OneToThree),
    (7, Experience::UnderOne),
    (5, Experience::ThreeToFive),
];

const SALARIED: &[(u32, EmploymentType)] = &[(94, FullTime), (4, Internship), (2, PartTime)];
const SITE: &[(u32, EmploymentType)] = &[(72, FullTime), (16, Temporary), (12, Task)];
const TEACHING: &[(u32, EmploymentType)] = &[(68, FullTime), (28, PartTime), (4, Internship)];
const CREATIVE: &[(u32, EmploymentType)] =
    &[(78, FullTime), (8, PartTime), (6, Task), (4, Freelance), (4, Internship)];
const SERVICE: &[(u32, EmploymentType)] =
    &[(72, FullTime), (20, PartTime), (5, Temporary), (3, Apprenticeship)];
const TRANSPORT: &[(u32, EmploymentType)] =
    &[(74, FullTime), (12, Gig), (8, Temporary), (6, Dispatch)];
const ON_CALL: &[(u32, EmploymentType)] = &[(70, Gig), (18, PartTime), (12, FullTime)];
const FACTORY: &[(u32, EmploymentType)] =
    &[(62, FullTime), (16, Dispatch), (10, Temporary), (7, Seasonal), (5, Apprenticeship)];
const HARVEST: &[(u32, EmploymentType)] = &[(50, Seasonal), (30, FullTime), (20, Temporary)];

const OFFICE_SHIFTS: &[(u32, Shift)] = &[(100, Shift::Day)];
const DAY_SHIFTS: &[(u32, Shift)] = &[(100, Shift::Day)];
const WEEKEND_SHIFTS: &[(u32, Shift)] = &[(60, Shift::Weekend), (40, Shift::Evening)];
const TURN_SHIFTS: &[(u32, Shift)] = &[(62, Shift::Rotating), (26, Shift::Day), (12, Shift::Night)];
const CALL_SHIFTS: &[(u32, Shift)] = &[(80, Shift::OnCall), (20, Shift::Evening)];

pub(crate) const TECHNOLOGY: Profile = Profile {
    industry_code: "I65",
    industry: "软件和信息技术服务业",
    name_parts: &["信息技术", "软件", "网络科技", "数据科技", "智能科技"],
    demands: &[
        "计算机、软件工程、数学等相关专业优先",
        "熟悉常见数据结构与算法，有良好的编码习惯",
        "有高并发或大数据量项目经验者优先",
        "学习能力强，能独立分析并解决问题",
        "善于沟通，有团队合作精神",
        "能阅读英文技术资料",
    ],
    pay_percent: 100,
    education: MEASURED_EDUCATION,
    experience: MEASURED_EXPERIENCE,
    employment: SALARIED,
    shifts: OFFICE_SHIFTS,
    schedules: &["周一至周五，10:00-19:00，双休", "弹性工作，每天8小时，双休"],
};

pub(crate) const ENGINEERING: Profile = Profile {
    industry_code: "C34",
    industry: "通用设备制造业",
    name_parts: &["精密机械", "自动化设备", "智能装备", "电气技术"],
    demands: &[
        "机械、电气、自动化等相关专业",
        "能熟练使用常用绘图软件",
        "有同类产品设计或调试经验优先",
        "动手能力强，可接受短期出差",
        "工作严谨，责任心强",
        "具备良好的跨部门沟通能力",
    ],
    pay_percent: 78,
    education: SKILLED_EDUCATION,
    experience: MEASURED_EXPERIENCE,
    employment: SALARIED,
    shifts: OFFICE_SHIFTS,
    schedules: &["周一至周五，8:30-17:30，双休", "单双休，8:00-17:30"],
};

pub(crate) const CONSTRUCTION: Profile = Profile {
    industry_code: "E50",
    industry: "建筑装饰、装修和其他建筑业",
    name_parts: &["建筑工程", "装饰工程", "建设", "市政工程"],
    demands: &[
        "工程类相关专业或同等经验",
        "熟悉施工流程与验收规范",
        "能适应驻场工作，服从调配",
        "吃苦耐劳，安全意识强",
        "有同类项目经验者优先",
        "持证者待遇从优",
    ],
    pay_percent: 72,
    education: MIXED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: SITE,
    shifts: DAY_SHIFTS,
    schedules: &["按项目进度安排，月休4天", "8:00-18:00，中午休息两小时"],
};

pub(crate) const COMMERCE: Profile = Profile {
    industry_code: "F51",
    industry: "批发业",
    name_parts: &["商贸", "贸易", "供应链管理", "商务咨询", "电子商务"],
    demands: &[
        "性格开朗，表达清晰，有亲和力",
        "目标感强，能承受一定的工作压力",
        "有相关行业客户资源者优先",
        "熟练使用办公软件",
        "诚实守信，有团队意识",
        "可接受不定期出差",
    ],
    pay_percent: 62,
    education: MIXED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: SALARIED,
    shifts: OFFICE_SHIFTS,
    schedules: &["9:00-18:00，大小周", "周一至周六，9:00-18:00"],
};

pub(crate) const OFFICE: Profile = Profile {
    industry_code: "L72",
    industry: "商务服务业",
    name_parts: &["企业管理", "财务咨询", "人力资源", "商务服务", "咨询"],
    demands: &[
        "相关专业毕业，有同岗位经验者优先",
        "熟练使用办公软件，文字功底好",
        "细心负责，条理清楚",
        "有良好的保密意识",
        "沟通协调能力强，能处理多项事务",
        "工作稳定，认同团队文化",
    ],
    pay_percent: 58,
    education: SKILLED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: SALARIED,
    shifts: OFFICE_SHIFTS,
    schedules: &["周一至周五，9:00-18:00，双休", "9:00-17:30，单双休轮换"],
};

pub(crate) const EDUCATION: Profile = Profile {
    industry_code: "P83",
    industry: "教育",
    name_parts: &["教育科技", "文化艺术培训", "教育咨询", "体育文化"],
    demands: &[
        "相关专业毕业，持相应资格证者优先",
        "普通话标准，表达有感染力",
        "热爱教育，有耐心与爱心",
        "有教学或带班经验者优先",
        "能适应周末及晚间排课",
        "无不良记录，身心健康",
    ],
    pay_percent: 60,
    education: SKILLED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: TEACHING,
    shifts: WEEKEND_SHIFTS,
    schedules: &["周三至周日，10:00-19:00", "按课表排班，周一周二休息"],
};

pub(crate) const CARE: Profile = Profile {
    industry_code: "Q84",
    industry: "卫生",
    name_parts: &["健康管理", "医疗服务", "护理服务", "康复医学"],
    demands: &[
        "持有效执业或职业证书",
        "熟悉基本操作规范与院感要求",
        "能适应轮班与夜班",
        "有爱心，服务态度好",
        "有医院或养老机构经验者优先",
        "身体健康，无传染性疾病",
    ],
    pay_percent: 58,
    education: SKILLED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: SALARIED,
    shifts: TURN_SHIFTS,
    schedules: &["三班倒，月休8天", "做六休一，早晚班轮换"],
};

pub(crate) const MEDIA: Profile = Profile {
    industry_code: "R87",
    industry: "广播、电视、电影和录音制作业",
    name_parts: &["文化传媒", "影视文化", "广告", "创意设计"],
    demands: &[
        "有作品或账号案例者优先",
        "网感好，审美在线",
        "熟练使用相关创作软件",
        "能按时交付，抗压能力强",
        "思维活跃，乐于接受反馈",
        "对平台规则与热点敏感",
    ],
    pay_percent: 68,
    education: SKILLED_EDUCATION,
    experience: MIXED_EXPERIENCE,
    employment: CREATIVE,
    shifts: OFFICE_SHIFTS,
    schedules: &["10:00-19:00，双休", "按直播排期，每天6至8小时"],
};

pub(crate) const HOSPITALITY: Profile = Profile {
    industry_code: "H62",
    industry: "餐饮业",
    name_parts: &["餐饮管理", "酒店管理", "商业管理", "食品", "百货"],
    demands: &[
        "服务意识好，待人热情",
        "能吃苦耐劳，服从排班",
        "有同行经验优先，无经验可培训",
        "持有效健康证或能配合办理",
        "形象整洁，沟通顺畅",
        "可接受节假日轮班",
    ],
    pay_percent: 48,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: SERVICE,
    shifts: TURN_SHIFTS,
    schedules: &["早晚班轮换，月休4天", "10:00-14:00，16:30-21:30，月休4天"],
};

pub(crate) const LOGISTICS: Profile = Profile {
    industry_code: "G54",
    industry: "道路运输业",
    name_parts: &["物流", "供应链", "货运", "速递服务"],
    demands: &[
        "驾龄或从业年限符合岗位要求",
        "无重大交通责任事故",
        "身体健康，能适应夜间作业",
        "熟悉本地路况者优先",
        "会使用智能手机办理业务",
        "吃苦耐劳，守时守信",
    ],
    pay_percent: 62,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: TRANSPORT,
    shifts: TURN_SHIFTS,
    schedules: &["两班倒，每班10小时，月休4天", "早7:00至晚18:00，做六休一"],
};

pub(crate) const GIG: Profile = Profile {
    industry_code: "G60",
    industry: "邮政业",
    name_parts: &["即时配送", "城市配送", "生活服务", "驾驶服务"],
    demands: &[
        "年满18周岁，身体健康",
        "自备或可租用电动车",
        "会使用智能手机和导航",
        "遵守交通规则，服务热情",
        "时间自由，可全职可兼职",
        "无不良记录",
    ],
    pay_percent: 60,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: ON_CALL,
    shifts: CALL_SHIFTS,
    schedules: &["自由上线，午晚高峰优先", "晚20:00至次日2:00，自由接单"],
};

pub(crate) const PROPERTY: Profile = Profile {
    industry_code: "K70",
    industry: "房地产业",
    name_parts: &["物业管理", "物业服务", "环境服务", "家政服务"],
    demands: &[
        "责任心强，服从管理",
        "身体健康，能适应站岗或夜班",
        "有同岗位经验者优先",
        "退役军人优先",
        "为人踏实，无不良记录",
        "会简单的书面记录",
    ],
    pay_percent: 42,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: SERVICE,
    shifts: TURN_SHIFTS,
    schedules: &["12小时两班倒，月休4天", "7:00-11:00，13:00-17:00，做六休一"],
};

pub(crate) const PRODUCTION: Profile = Profile {
    industry_code: "C39",
    industry: "计算机、通信和其他电子设备制造业",
    name_parts: &["电子", "精密制造", "汽车零部件", "五金制品", "服饰"],
    demands: &[
        "能适应两班倒，听从安排",
        "视力正常，无色盲色弱",
        "有工厂经验者优先，新手有师傅带",
        "会看简单图纸或作业指导书",
        "遵守安全操作规程",
        "踏实稳定，能长期工作",
    ],
    pay_percent: 55,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: FACTORY,
    shifts: TURN_SHIFTS,
    schedules: &["长白班，8:00-20:00，月休4天", "两班倒，每月轮换一次"],
};

pub(crate) const FARM: Profile = Profile {
    industry_code: "A01",
    industry: "农业",
    name_parts: &["农业开发", "生态农业", "园艺"],
    demands: &[
        "有种植或养护经验者优先",
        "能适应户外作业",
        "身体健康，吃苦耐劳",
        "会使用常见农机具",
        "安全用药，服从技术员安排",
        "可住场者优先",
    ],
    pay_percent: 42,
    education: OPEN_EDUCATION,
    experience: OPEN_EXPERIENCE,
    employment: HARVEST,
    shifts: DAY_SHIFTS,
    schedules: &["6:00-11:00，15:00-18:00", "按农时安排，雨天休息"],
};
