//! The one-byte character sets, as Python's codecs have them: what the upper half of the bytes
//! means. `\u{fffd}` stands where a byte means nothing.

/// A character set whose lower half is ASCII.
pub(super) struct Codec {
    /// Lower case, without punctuation; the first is Python's own.
    pub(super) names: &'static [&'static str],
    /// The characters of the last bytes: 128 of them from 0x80, or 96 from 0xa0 where 0x80 to
    /// 0x9f are the controls of the same numbers.
    pub(super) upper: &'static str,
}

/// Every one of them.
pub(super) const CODECS: &[Codec] = &[
    Codec {
        names: &[
            "iso88592",
            "csisolatin2",
            "iso885921987",
            "isoir101",
            "l2",
            "latin2",
        ],
        upper: "\
            \u{a0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{ad}ŽŻ\
            °ą˛ł´ľśˇ¸šşťź˝žż\
            ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎ\
            ĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
            ŕáâăäĺćçčéęëěíîď\
            đńňóôőö÷řůúűüýţ˙\
        ",
    },
    Codec {
        names: &[
            "iso88593",
            "csisolatin3",
            "iso885931988",
            "isoir109",
            "l3",
            "latin3",
        ],
        upper: "\
            \u{a0}Ħ˘£¤\u{fffd}Ĥ§¨İŞĞĴ\u{ad}\u{fffd}Ż\
            °ħ²³´µĥ·¸ışğĵ½\u{fffd}ż\
            ÀÁÂ\u{fffd}ÄĊĈÇÈÉÊËÌÍÎÏ\
            \u{fffd}ÑÒÓÔĠÖ×ĜÙÚÛÜŬŜß\
            àáâ\u{fffd}äċĉçèéêëìíîï\
            \u{fffd}ñòóôġö÷ĝùúûüŭŝ˙\
        ",
    },
    Codec {
        names: &[
            "iso88594",
            "csisolatin4",
            "iso885941988",
            "isoir110",
            "l4",
            "latin4",
        ],
        upper: "\
            \u{a0}ĄĸŖ¤ĨĻ§¨ŠĒĢŦ\u{ad}Ž¯\
            °ą˛ŗ´ĩļˇ¸šēģŧŊžŋ\
            ĀÁÂÃÄÅÆĮČÉĘËĖÍÎĪ\
            ĐŅŌĶÔÕÖ×ØŲÚÛÜŨŪß\
            āáâãäåæįčéęëėíîī\
            đņōķôõö÷øųúûüũū˙\
        ",
    },
    Codec {
        names: &[
            "iso88595",
            "csisolatincyrillic",
            "cyrillic",
            "iso885951988",
            "isoir144",
        ],
        upper: "\
            \u{a0}ЁЂЃЄЅІЇЈЉЊЋЌ\u{ad}ЎЏ\
            АБВГДЕЖЗИЙКЛМНОП\
            РСТУФХЦЧШЩЪЫЬЭЮЯ\
            абвгдежзийклмноп\
            рстуфхцчшщъыьэюя\
            №ёђѓєѕіїјљњћќ§ўџ\
        ",
    },
    Codec {
        names: &[
            "iso88596",
            "arabic",
            "asmo708",
            "csisolatinarabic",
            "ecma114",
            "iso885961987",
            "isoir127",
        ],
        upper: "\
            \u{a0}\u{fffd}\u{fffd}\u{fffd}¤\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}،\u{ad}\u{fffd}\u{fffd}\
            \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{61b}\u{fffd}\u{fffd}\u{fffd}\u{61f}\
            \u{fffd}\u{621}\u{622}\u{623}\u{624}\u{625}\u{626}\u{627}\u{628}\u{629}\u{62a}\u{62b}\u{62c}\u{62d}\u{62e}\u{62f}\
            \u{630}\u{631}\u{632}\u{633}\u{634}\u{635}\u{636}\u{637}\u{638}\u{639}\u{63a}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{640}\u{641}\u{642}\u{643}\u{644}\u{645}\u{646}\u{647}\u{648}\u{649}\u{64a}\u{64b}\u{64c}\u{64d}\u{64e}\u{64f}\
            \u{650}\u{651}\u{652}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
        ",
    },
    Codec {
        names: &[
            "iso88597",
            "csisolatingreek",
            "ecma118",
            "elot928",
            "greek",
            "greek8",
            "iso885971987",
            "isoir126",
        ],
        upper: "\
            \u{a0}‘’£€₯¦§¨©ͺ«¬\u{ad}\u{fffd}―\
            °±²³΄΅Ά·ΈΉΊ»Ό½ΎΏ\
            ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟ\
            ΠΡ\u{fffd}ΣΤΥΦΧΨΩΪΫάέήί\
            ΰαβγδεζηθικλμνξο\
            πρςστυφχψωϊϋόύώ\u{fffd}\
        ",
    },
    Codec {
        names: &[
            "iso88598",
            "csisolatinhebrew",
            "hebrew",
            "iso885981988",
            "isoir138",
        ],
        upper: "\
            \u{a0}\u{fffd}¢£¤¥¦§¨©×«¬\u{ad}®¯\
            °±²³´µ¶·¸¹÷»¼½¾\u{fffd}\
            \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}‗\
            \u{5d0}\u{5d1}\u{5d2}\u{5d3}\u{5d4}\u{5d5}\u{5d6}\u{5d7}\u{5d8}\u{5d9}\u{5da}\u{5db}\u{5dc}\u{5dd}\u{5de}\u{5df}\
            \u{5e0}\u{5e1}\u{5e2}\u{5e3}\u{5e4}\u{5e5}\u{5e6}\u{5e7}\u{5e8}\u{5e9}\u{5ea}\u{fffd}\u{fffd}\u{200e}\u{200f}\u{fffd}\
        ",
    },
    Codec {
        names: &[
            "iso88599",
            "csisolatin5",
            "iso885991989",
            "isoir148",
            "l5",
            "latin5",
        ],
        upper: "\
            \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯\
            °±²³´µ¶·¸¹º»¼½¾¿\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ\
            ĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß\
            àáâãäåæçèéêëìíîï\
            ğñòóôõö÷øùúûüışÿ\
        ",
    },
    Codec {
        names: &[
            "iso885910",
            "csisolatin6",
            "iso8859101992",
            "isoir157",
            "l6",
            "latin6",
        ],
        upper: "\
            \u{a0}ĄĒĢĪĨĶ§ĻĐŠŦŽ\u{ad}ŪŊ\
            °ąēģīĩķ·ļđšŧž―ūŋ\
            ĀÁÂÃÄÅÆĮČÉĘËĖÍÎÏ\
            ÐŅŌÓÔÕÖŨØŲÚÛÜÝÞß\
            āáâãäåæįčéęëėíîï\
            ðņōóôõöũøųúûüýþĸ\
        ",
    },
    Codec {
        names: &["iso885911", "iso8859112001", "thai"],
        upper: "\
            \u{a0}กขฃคฅฆงจฉชซฌญฎฏ\
            ฐฑฒณดตถทธนบปผฝพฟ\
            ภมยรฤลฦวศษสหฬอฮฯ\
            ะ\u{e31}าำ\u{e34}\u{e35}\u{e36}\u{e37}\u{e38}\u{e39}\u{e3a}\u{fffd}\u{fffd}\u{fffd}\u{fffd}฿\
            เแโใไๅๆ\u{e47}\u{e48}\u{e49}\u{e4a}\u{e4b}\u{e4c}\u{e4d}\u{e4e}๏\
            ๐๑๒๓๔๕๖๗๘๙๚๛\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
        ",
    },
    Codec {
        names: &["iso885913", "l7", "latin7"],
        upper: "\
            \u{a0}”¢£¤„¦§Ø©Ŗ«¬\u{ad}®Æ\
            °±²³“µ¶·ø¹ŗ»¼½¾æ\
            ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻ\
            ŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß\
            ąįāćäåęēčéźėģķīļ\
            šńņóōõö÷ųłśūüżž’\
        ",
    },
    Codec {
        names: &[
            "iso885914",
            "iso8859141998",
            "isoceltic",
            "isoir199",
            "l8",
            "latin8",
        ],
        upper: "\
            \u{a0}Ḃḃ£ĊċḊ§Ẁ©ẂḋỲ\u{ad}®Ÿ\
            ḞḟĠġṀṁ¶ṖẁṗẃṠỳẄẅṡ\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ\
            ŴÑÒÓÔÕÖṪØÙÚÛÜÝŶß\
            àáâãäåæçèéêëìíîï\
            ŵñòóôõöṫøùúûüýŷÿ\
        ",
    },
    Codec {
        names: &["iso885915", "l9", "latin9"],
        upper: "\
            \u{a0}¡¢£€¥Š§š©ª«¬\u{ad}®¯\
            °±²³Žµ¶·ž¹º»ŒœŸ¿\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ\
            ÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß\
            àáâãäåæçèéêëìíîï\
            ðñòóôõö÷øùúûüýþÿ\
        ",
    },
    Codec {
        names: &["iso885916", "iso8859162001", "isoir226", "l10", "latin10"],
        upper: "\
            \u{a0}ĄąŁ€„Š§š©Ș«Ź\u{ad}źŻ\
            °±ČłŽ”¶·žčș»ŒœŸż\
            ÀÁÂĂÄĆÆÇÈÉÊËÌÍÎÏ\
            ĐŃÒÓÔŐÖŚŰÙÚÛÜĘȚß\
            àáâăäćæçèéêëìíîï\
            đńòóôőöśűùúûüęțÿ\
        ",
    },
    Codec {
        names: &["cp1250", "1250", "windows1250"],
        upper: "\
            €\u{fffd}‚\u{fffd}„…†‡\u{fffd}‰Š‹ŚŤŽŹ\
            \u{fffd}‘’“”•–—\u{fffd}™š›śťžź\
            \u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż\
            °±˛ł´µ¶·¸ąş»Ľ˝ľż\
            ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎ\
            ĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
            ŕáâăäĺćçčéęëěíîď\
            đńňóôőö÷řůúűüýţ˙\
        ",
    },
    Codec {
        names: &["cp1251", "1251", "windows1251"],
        upper: "\
            ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏ\
            ђ‘’“”•–—\u{fffd}™љ›њќћџ\
            \u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї\
            °±Ііґµ¶·ё№є»јЅѕї\
            АБВГДЕЖЗИЙКЛМНОП\
            РСТУФХЦЧШЩЪЫЬЭЮЯ\
            абвгдежзийклмноп\
            рстуфхцчшщъыьэюя\
        ",
    },
    Codec {
        names: &["cp1252", "1252", "windows1252"],
        upper: "\
            €\u{fffd}‚ƒ„…†‡ˆ‰Š‹Œ\u{fffd}Ž\u{fffd}\
            \u{fffd}‘’“”•–—˜™š›œ\u{fffd}žŸ\
            \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯\
            °±²³´µ¶·¸¹º»¼½¾¿\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ\
            ÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß\
            àáâãäåæçèéêëìíîï\
            ðñòóôõö÷øùúûüýþÿ\
        ",
    },
    Codec {
        names: &["cp1253", "1253", "windows1253"],
        upper: "\
            €\u{fffd}‚ƒ„…†‡\u{fffd}‰\u{fffd}‹\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}‘’“”•–—\u{fffd}™\u{fffd}›\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{a0}΅Ά£¤¥¦§¨©\u{fffd}«¬\u{ad}®―\
            °±²³΄µ¶·ΈΉΊ»Ό½ΎΏ\
            ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟ\
            ΠΡ\u{fffd}ΣΤΥΦΧΨΩΪΫάέήί\
            ΰαβγδεζηθικλμνξο\
            πρςστυφχψωϊϋόύώ\u{fffd}\
        ",
    },
    Codec {
        names: &["cp1254", "1254", "windows1254"],
        upper: "\
            €\u{fffd}‚ƒ„…†‡ˆ‰Š‹Œ\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}‘’“”•–—˜™š›œ\u{fffd}\u{fffd}Ÿ\
            \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯\
            °±²³´µ¶·¸¹º»¼½¾¿\
            ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏ\
            ĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß\
            àáâãäåæçèéêëìíîï\
            ğñòóôõö÷øùúûüışÿ\
        ",
    },
    Codec {
        names: &["cp1255", "1255", "windows1255"],
        upper: "\
            €\u{fffd}‚ƒ„…†‡ˆ‰\u{fffd}‹\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}‘’“”•–—˜™\u{fffd}›\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{a0}¡¢£₪¥¦§¨©×«¬\u{ad}®¯\
            °±²³´µ¶·¸¹÷»¼½¾¿\
            \u{5b0}\u{5b1}\u{5b2}\u{5b3}\u{5b4}\u{5b5}\u{5b6}\u{5b7}\u{5b8}\u{5b9}\u{fffd}\u{5bb}\u{5bc}\u{5bd}\u{5be}\u{5bf}\
            \u{5c0}\u{5c1}\u{5c2}\u{5c3}\u{5f0}\u{5f1}\u{5f2}\u{5f3}\u{5f4}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{5d0}\u{5d1}\u{5d2}\u{5d3}\u{5d4}\u{5d5}\u{5d6}\u{5d7}\u{5d8}\u{5d9}\u{5da}\u{5db}\u{5dc}\u{5dd}\u{5de}\u{5df}\
            \u{5e0}\u{5e1}\u{5e2}\u{5e3}\u{5e4}\u{5e5}\u{5e6}\u{5e7}\u{5e8}\u{5e9}\u{5ea}\u{fffd}\u{fffd}\u{200e}\u{200f}\u{fffd}\
        ",
    },
    Codec {
        names: &["cp1256", "1256", "windows1256"],
        upper: "\
            €\u{67e}‚ƒ„…†‡ˆ‰\u{679}‹Œ\u{686}\u{698}\u{688}\
            \u{6af}‘’“”•–—\u{6a9}™\u{691}›œ\u{200c}\u{200d}\u{6ba}\
            \u{a0}،¢£¤¥¦§¨©\u{6be}«¬\u{ad}®¯\
            °±²³´µ¶·¸¹\u{61b}»¼½¾\u{61f}\
            \u{6c1}\u{621}\u{622}\u{623}\u{624}\u{625}\u{626}\u{627}\u{628}\u{629}\u{62a}\u{62b}\u{62c}\u{62d}\u{62e}\u{62f}\
            \u{630}\u{631}\u{632}\u{633}\u{634}\u{635}\u{636}×\u{637}\u{638}\u{639}\u{63a}\u{640}\u{641}\u{642}\u{643}\
            à\u{644}â\u{645}\u{646}\u{647}\u{648}çèéêë\u{649}\u{64a}îï\
            \u{64b}\u{64c}\u{64d}\u{64e}ô\u{64f}\u{650}÷\u{651}ù\u{652}ûü\u{200e}\u{200f}\u{6d2}\
        ",
    },
    Codec {
        names: &["cp1257", "1257", "windows1257"],
        upper: "\
            €\u{fffd}‚\u{fffd}„…†‡\u{fffd}‰\u{fffd}‹\u{fffd}¨ˇ¸\
            \u{fffd}‘’“”•–—\u{fffd}™\u{fffd}›\u{fffd}¯˛\u{fffd}\
            \u{a0}\u{fffd}¢£¤\u{fffd}¦§Ø©Ŗ«¬\u{ad}®Æ\
            °±²³´µ¶·ø¹ŗ»¼½¾æ\
            ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻ\
            ŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß\
            ąįāćäåęēčéźėģķīļ\
            šńņóōõö÷ųłśūüżž˙\
        ",
    },
    Codec {
        names: &["cp1258", "1258", "windows1258"],
        upper: "\
            €\u{fffd}‚ƒ„…†‡ˆ‰\u{fffd}‹Œ\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}‘’“”•–—˜™\u{fffd}›œ\u{fffd}\u{fffd}Ÿ\
            \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯\
            °±²³´µ¶·¸¹º»¼½¾¿\
            ÀÁÂĂÄÅÆÇÈÉÊË\u{300}ÍÎÏ\
            ĐÑ\u{309}ÓÔƠÖ×ØÙÚÛÜƯ\u{303}ß\
            àáâăäåæçèéêë\u{301}íîï\
            đñ\u{323}óôơö÷øùúûüư₫ÿ\
        ",
    },
    Codec {
        names: &["cp874"],
        upper: "\
            €\u{fffd}\u{fffd}\u{fffd}\u{fffd}…\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{fffd}‘’“”•–—\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
            \u{a0}กขฃคฅฆงจฉชซฌญฎฏ\
            ฐฑฒณดตถทธนบปผฝพฟ\
            ภมยรฤลฦวศษสหฬอฮฯ\
            ะ\u{e31}าำ\u{e34}\u{e35}\u{e36}\u{e37}\u{e38}\u{e39}\u{e3a}\u{fffd}\u{fffd}\u{fffd}\u{fffd}฿\
            เแโใไๅๆ\u{e47}\u{e48}\u{e49}\u{e4a}\u{e4b}\u{e4c}\u{e4d}\u{e4e}๏\
            ๐๑๒๓๔๕๖๗๘๙๚๛\u{fffd}\u{fffd}\u{fffd}\u{fffd}\
        ",
    },
    Codec {
        names: &["koi8r", "cskoi8r"],
        upper: "\
            ─│┌┐└┘├┤┬┴┼▀▄█▌▐\
            ░▒▓⌠■∙√≈≤≥\u{a0}⌡°²·÷\
            ═║╒ё╓╔╕╖╗╘╙╚╛╜╝╞\
            ╟╠╡Ё╢╣╤╥╦╧╨╩╪╫╬©\
            юабцдефгхийклмно\
            пярстужвьызшэщчъ\
            ЮАБЦДЕФГХИЙКЛМНО\
            ПЯРСТУЖВЬЫЗШЭЩЧЪ\
        ",
    },
    Codec {
        names: &["koi8u"],
        upper: "\
            ─│┌┐└┘├┤┬┴┼▀▄█▌▐\
            ░▒▓⌠■∙√≈≤≥\u{a0}⌡°²·÷\
            ═║╒ёє╔ії╗╘╙╚╛ґ╝╞\
            ╟╠╡ЁЄ╣ІЇ╦╧╨╩╪Ґ╬©\
            юабцдефгхийклмно\
            пярстужвьызшэщчъ\
            ЮАБЦДЕФГХИЙКЛМНО\
            ПЯРСТУЖВЬЫЗШЭЩЧЪ\
        ",
    },
    Codec {
        names: &["cp437", "437", "cspc8codepage437", "ibm437"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅ\
            ÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
            áíóúñÑªº¿⌐¬½¼¡«»\
            ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧\
            ╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            αßΓπΣσµτΦΘΩδ∞φε∩\
            ≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}\
        ",
    },
    Codec {
        names: &["cp850", "850", "cspc850multilingual", "ibm850"],
        upper: "\
            ÇüéâäàåçêëèïîìÄÅ\
            ÉæÆôöòûùÿÖÜø£Ø×ƒ\
            áíóúñÑªº¿®¬½¼¡«»\
            ░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐\
            └┴┬├─┼ãÃ╚╔╩╦╠═╬¤\
            ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀\
            ÓßÔÒõÕµþÞÚÛÙýÝ¯´\
            \u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}\
        ",
    },
    Codec {
        names: &["cp852", "852", "cspcp852", "ibm852"],
        upper: "\
            ÇüéâäůćçłëŐőîŹÄĆ\
            ÉĹĺôöĽľŚśÖÜŤťŁ×č\
            áíóúĄąŽžĘę¬źČş«»\
            ░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐\
            └┴┬├─┼Ăă╚╔╩╦╠═╬¤\
            đĐĎËďŇÍÎě┘┌█▄ŢŮ▀\
            ÓßÔŃńňŠšŔÚŕŰýÝţ´\
            \u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}\
        ",
    },
    Codec {
        names: &["cp866", "866", "csibm866", "ibm866"],
        upper: "\
            АБВГДЕЖЗИЙКЛМНОП\
            РСТУФХЦЧШЩЪЫЬЭЮЯ\
            абвгдежзийклмноп\
            ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
            └┴┬├─┼╞╟╚╔╩╦╠═╬╧\
            ╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
            рстуфхцчшщъыьэюя\
            ЁёЄєЇїЎў°∙·√№¤■\u{a0}\
        ",
    },
    Codec {
        names: &["macroman", "macintosh"],
        upper: "\
            ÄÅÇÉÑÖÜáàâäãåçéè\
            êëíìîïñóòôöõúùûü\
            †°¢£§•¶ß®©™´¨≠ÆØ\
            ∞±≤≥¥µ∂∑∏π∫ªºΩæø\
            ¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ\
            –—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ\
            ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\
            \u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ\
        ",
    },
];
