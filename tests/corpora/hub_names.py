"""Names of subsets as the corpora list them, to compare addresses with.

wikipedia  the configs of wikimedia/wikipedia for the dump of 1 November 2023
mc4        the languages and the scripts of allenai/c4, from its dataset card
hplt-2     some folders of HPLT/HPLT2.0_cleaned, without the number of a part; not the whole list
"""

WIKIPEDIA = (
    "ab ace ady af als alt am ami an ang anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat-smg bcl be be- "
    "x-old bg bh bi bjn blk bm bn bo bpy br bs bug bxr ca cbk-zam cdo ce ceb ch chr chy ckb co cr crh cs csb cu cv cy da "
    "dag de din diq dsb dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag "
    "gan gcr gd gl glk gn gom gor got gpe gu guc gur guw gv ha hak haw he hi hif hr hsb ht hu hy hyw ia id ie ig ik ilo "
    "inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg ki kk kl km kn ko koi krc ks ksh ku kv kw ky la lad lb lbe "
    "lez lfn lg li lij lld lmo ln lo lt ltg lv mad mai map-bms mdf mg mhr mi min mk ml mn mni mnw mr mrj ms mt mwl my myv "
    "mzn nah nap nds nds-nl ne new nia nl nn no nov nqo nrm nso nv ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi "
    "pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara ru rue rw sa sah sat sc scn sco sd se sg sh shi shn si "
    "simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw szl szy ta tay tcy te tet tg th ti tk tl tly tn to tpi tr "
    "trv ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo wa war wo wuu xal xh xmf yi yo za zea zh zh-classical "
    "zh-min-nan zh-yue zu "
).split()

MC4 = (
    "af am ar az be bg bn ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi hmn ht hu hy id "
    "ig is it iw ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro ru sd si "
    "sk sl sm sn so sq sr st su sv sw ta te tg th tr uk und ur uz vi xh yi yo zh zu bg-Latn el-Latn hi-Latn ja-Latn ru- "
    "Latn zh-Latn "
).split()

HPLT_2 = (
    "ace_Arab ace_Latn afr_Latn als_Latn amh_Ethi ara_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl "
    "bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bjn_Arab bjn_Latn bug_Latn ckb_Arab cym_Latn ell_Grek eng_Latn epo_Latn "
    "est_Latn kmr_Latn kon_Latn lvs_Latn pol_Latn som_Latn swh_Latn "
).split()
